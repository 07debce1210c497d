// What every executor must do, as tests that a device's test program runs on its own executor:
//
//   INSTANTIATE_TEST_SUITE_P(Cpu, ExecutorSuite, testing::Values(ExecutorUnderTest{...}));
//
// The tests are in the executor_suite_*.cc beside this file (target strided_executor_suite).

#ifndef STRIDED_TESTS_ENGINE_EXECUTOR_SUITE_H_
#define STRIDED_TESTS_ENGINE_EXECUTOR_SUITE_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/executor.h"
#include "engine/model/config.h"
#include "engine/model/weight_format.h"
#include "engine/model/weights.h"
#include "tests/testing/random_model.h"

namespace strided {

// The options that every executor has.
struct SuiteOptions {
  WeightFormat weight_format = WeightFormat::kBfloat16;
  int max_rows = 512;
  int max_slots = 16;
  int64_t cache_capacity_bytes = int64_t{64} << 20;
};

struct ExecutorUnderTest {
  std::vector<WeightFormat> formats;  // that it serves
  std::function<absl::StatusOr<std::unique_ptr<Executor>>(const ModelConfig&, const Weights&,
                                                          const SuiteOptions&)>
      create;
  std::string absent;  // why there is no such device here: the tests are skipped; empty: there is
  std::string small_model = "{}";  // overrides of SmallModel, for caches that want other widths
};

class ExecutorSuite : public testing::TestWithParam<ExecutorUnderTest> {
 protected:
  void SetUp() override {
    if (!GetParam().absent.empty()) GTEST_SKIP() << GetParam().absent;
  }
  std::unique_ptr<Executor> Start(const ModelConfig& config, const Weights& weights,
                                  const SuiteOptions& options = {}) const;
  std::unique_ptr<Executor> Start(const RandomModel& model,
                                  const SuiteOptions& options = {}) const {
    return Start(model.config, model.weights, options);
  }
};

// What holds whatever the caches' format: forks, replays, longer limits.
class SequenceSuite : public ExecutorSuite {
 protected:
  static RandomModel Model();
};

inline void PrintTo(const ExecutorUnderTest&, std::ostream*) {}  // its bytes would mean nothing

// SmallConfig: context 24, vocabulary 16.
RandomModel SmallModel(absl::string_view overrides = "{}");
// A sequence of N steps takes 128 N bytes in bfloat16, 256 N in float32; context 640.
RandomModel LongModel();

SequenceSpec SpecOf(int max_length, int prompt_length = 0);
StepRow Row(const Slot& slot, int position, int32_t input, RowOutput output = RowOutput::kNone);
StepRow Score(const Slot& slot, int position, int32_t input, int32_t target);

using Draw = std::pair<int32_t, uint32_t>;  // a token, and the bits of its log-probability
Draw DrawOf(const TokenResult& result);     // expects finite logits

// Draws `count` tokens from `position` on, up to `steps` of them to a call; `input` is the first
// row's.
std::vector<Draw> Sample(Executor& executor, const Slot& slot, int position, int32_t input,
                         int count, int steps = 1);

// A sequence that has run its prompt, start, 1, 2, ...; its next input is token prompt_length.
Slot Prefilled(Executor& executor, const SequenceSpec& spec);

}  // namespace strided

#endif  // STRIDED_TESTS_ENGINE_EXECUTOR_SUITE_H_
