// How many rows of the next step go to which sequence: the whole policy of a step, as a function.

#ifndef STRIDED_SERVER_SCHEDULING_STEP_POLICY_H_
#define STRIDED_SERVER_SCHEDULING_STEP_POLICY_H_

#include <vector>

#include "server/scheduling/job.h"

namespace strided {

struct RowDemand {
  int ready = 0;         // rows that the sequence could run now, >= 1
  bool decodes = false;  // its one ready row draws the next token of a stream
  int priority = 0;      // higher first
  JobId arrival = 0;     // earlier first
  int granted = 0;       // the answer: 0 <= granted <= ready
};

struct RowLimits {
  int max_rows = 0;      // of the step
  int prefill_rows = 0;  // of all that do not decode, together
};

// The demands, in their order, with `granted` filled in. Every sequence that decodes gets its row;
// then those that run prompts or replays get what is left up to limits.prefill_rows, one after the
// other by priority, then arrival, then order, each as much as it can use. So a stream never waits
// for a prompt, and a prompt waits for streams only as long as they fill the step by themselves:
// with at most max_rows demands and prefill_rows >= 1 some prompt row runs in every step.
//
// Pure. Takes and returns the same vector, so that a loop allocates nothing.
std::vector<RowDemand> GrantRows(std::vector<RowDemand> demands, RowLimits limits);

}  // namespace strided

#endif  // STRIDED_SERVER_SCHEDULING_STEP_POLICY_H_
