// How many rows of the next step go to which sequence, and how many steps of each one call of the
// executor runs: the whole policy, as functions.

#ifndef STRIDED_SERVER_SCHEDULING_STEP_POLICY_H_
#define STRIDED_SERVER_SCHEDULING_STEP_POLICY_H_

#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "server/scheduling/job.h"

namespace strided {

struct RowDemand {
  int ready = 0;         // rows that the sequence could run now, >= 1
  bool decodes = false;  // its one ready row draws the next token of a stream
  bool begins = false;   // and that token is the stream's first
  int drawable = 1;   // tokens that a sequence that decodes may draw without a look at them, >= 1
  int priority = 0;   // higher first
  JobId arrival = 0;  // earlier first
  int granted = 0;    // the answer: 0 <= granted <= ready
  int steps = 1;      // the answer: consecutive steps of its row, 1 <= steps <= drawable
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

struct StepLimits {
  int max_steps = 1;            // of one row: the executor's
  bool beside_prompts = false;  // the executor runs several beside prompt rows, too
  // Within which a call should come back, so that who comes or cancels is not kept waiting; >= 0.
  absl::Duration launch_limit = absl::Milliseconds(10);
};

// What the plans before say of the next; nothing while it is not known.
struct ExpectedTimes {
  std::optional<absl::Duration> step;     // a step of the sequences that decode
  std::optional<absl::Duration> prompts;  // the granted prompt rows, beside such steps
};

// The demands with `steps` filled in, after GrantRows. Where every row decodes, each sequence gets
// as many steps as it may draw tokens, up to limits.max_steps and to what fits into launch_limit.
// Where some rows belong to prompts or replays, it gets the least that last as long as those, or
// what fits into half of launch_limit, if limits.beside_prompts: streams go on, and who waits for a
// first token does not wait long for them. One step each where a time is not known; where prompts
// and steps take turns; where a stream got none, for then the next plan will be another; and where
// a stream begins, whose first token would else wait for the steps behind it.
//
// Pure, as above. No result depends on the answer, only when it comes.
std::vector<RowDemand> GrantSteps(std::vector<RowDemand> demands, const StepLimits& limits,
                                  const ExpectedTimes& times);

}  // namespace strided

#endif  // STRIDED_SERVER_SCHEDULING_STEP_POLICY_H_
