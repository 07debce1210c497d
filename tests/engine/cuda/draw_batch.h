// Sequences that are drawn together, in tests of what a batch must not change.

#ifndef STRIDED_TESTS_ENGINE_CUDA_DRAW_BATCH_H_
#define STRIDED_TESTS_ENGINE_CUDA_DRAW_BATCH_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <utility>
#include <vector>

#include "engine/executor.h"
#include "engine/step.h"

namespace strided::cuda {

using Draws = std::vector<std::pair<int32_t, uint32_t>>;  // token, bits of its log-probability

inline SequenceSpec SpecOf(int index, int length) {
  SequenceSpec spec;
  spec.max_length = length;
  spec.seed = 1000 + static_cast<uint64_t>(index);
  if (index % 3 == 1) spec.sampling.top_k = 7;
  if (index % 5 == 2) spec.sampling.repetition_penalty = 1.2;
  return spec;
}

inline StepRow DrawRow(const Slot& slot, int position, int32_t input, int steps) {
  StepRow row;
  row.slot = slot.index();
  row.position = position;
  row.input = input;
  row.output = RowOutput::kSample;
  row.steps = steps;
  return row;
}

// Sequence i of the batch draws its whole length, `lengths[i]`, `steps` to a call; its first call
// is i * `apart` calls behind that of sequence 0.
inline std::vector<Draws> DrawBatch(Executor& executor, const std::vector<int>& indices,
                                    const std::vector<int>& lengths, int steps, int apart = 0) {
  struct Running {
    Slot slot;
    Draws draws;
    size_t index;
  };
  std::vector<Draws> all(indices.size());
  std::vector<Running> later;
  for (size_t i = 0; i < indices.size(); ++i) {
    absl::StatusOr<Slot> slot = executor.StartSequence(SpecOf(indices[i], lengths[i]));
    EXPECT_TRUE(slot.ok()) << slot.status();
    later.push_back({*std::move(slot), {}, i});
  }
  std::vector<Running> running;
  size_t begun = 0;
  for (int call = 0; !running.empty() || begun < later.size(); ++call) {
    while (begun < later.size() && (running.empty() || call >= static_cast<int>(begun) * apart)) {
      running.push_back(std::move(later[begun++]));
    }
    StepPlan plan;
    for (const Running& sequence : running) {
      const int position = static_cast<int>(sequence.draws.size());
      const int32_t input = position == 0 ? kStartInput : sequence.draws.back().first;
      plan.rows.push_back(DrawRow(sequence.slot, position, input,
                                  std::min(steps, lengths[sequence.index] - position)));
    }
    const absl::StatusOr<StepResult> results = executor.Run(plan);
    EXPECT_TRUE(results.ok()) << results.status();
    size_t next = 0;
    for (size_t r = 0; r < running.size(); ++r) {
      for (int step = 0; step < plan.rows[r].steps; ++step) {
        const TokenResult& result = (*results)[next++];
        EXPECT_TRUE(result.finite);
        running[r].draws.emplace_back(result.token, std::bit_cast<uint32_t>(result.log_prob));
      }
    }
    std::vector<Running> left;
    for (Running& sequence : running) {
      const size_t i = sequence.index;
      if (static_cast<int>(sequence.draws.size()) == lengths[i]) {
        all[i] = std::move(sequence.draws);
      } else {
        left.push_back(std::move(sequence));
      }
    }
    running = std::move(left);
  }
  return all;
}

}  // namespace strided::cuda

#endif  // STRIDED_TESTS_ENGINE_CUDA_DRAW_BATCH_H_
