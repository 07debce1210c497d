// Decode steps on an executor of any device, timed.

#ifndef STRIDED_TESTS_BENCHMARKS_DECODE_RUN_H_
#define STRIDED_TESTS_BENCHMARKS_DECODE_RUN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "engine/executor.h"
#include "engine/model/config.h"

namespace strided {

struct DecodeSetup {
  int batch = 1;
  int first_position = 0;  // of the first timed step; the steps before it are not timed
  int steps = 32;
  int steps_per_call = 1;  // 1 to ExecutorInfo::max_steps
};

struct DecodeTimes {
  std::vector<double> step_seconds;  // ascending; a call's time over its steps
  std::string token_hash;            // of all sequences' tokens in the timed steps
  double Median() const { return step_seconds[step_seconds.size() / 2]; }
  double Best() const { return step_seconds.front(); }
};

// `batch` samples (seeds 0, 1, ...) of one random prefix, each step one row of each. Aborts with
// the status if the executor refuses. Requires first_position + steps <= context_length,
// and that steps is a multiple of steps_per_call.
DecodeTimes RunDecode(Executor& executor, const DecodeSetup& setup);

// Bytes of keys and values that one sequence reads at `position`, and writes.
int64_t CacheBytesPerStep(const ModelConfig& config, int position, int element_bytes);

}  // namespace strided

#endif  // STRIDED_TESTS_BENCHMARKS_DECODE_RUN_H_
