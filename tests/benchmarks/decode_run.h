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
  int first_position = 1;  // of the first timed step; the steps before it are not timed
  int steps = 32;
  int steps_per_call = 1;  // 1 to ExecutorInfo::max_steps
};

struct DecodeTimes {
  std::vector<double> step_seconds;  // of each call, in their order: its time over its steps
  std::string token_hash;            // of all sequences' tokens in the timed steps
  double Median() const;
  double Best() const;
};

// `batch` samples (seeds 0, 1, ...) of one random prefix, each step one row of each. Aborts with
// the status if the executor refuses. The step before the first timed one is run by all samples: a
// device may still be copying the prefix's caches to them when it is asked for a step, which would
// count as a part of it. Requires 1 <= first_position, first_position + steps <= context_length,
// and that steps is a multiple of steps_per_call.
DecodeTimes RunDecode(Executor& executor, const DecodeSetup& setup);

// Bytes of keys and values (cache_bytes.h) that one sequence reads at `position`, and writes.
int64_t CacheBytesPerStep(const ModelConfig& config, int position, int element_bytes);

}  // namespace strided

#endif  // STRIDED_TESTS_BENCHMARKS_DECODE_RUN_H_
