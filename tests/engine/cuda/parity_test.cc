// The CUDA executor against the CPU's in float32, which golden_test.cc there holds to the NumPy
// oracle, for widths that the golden models do not have.

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/cpu/cpu_executor.h"
#include "tests/engine/cuda/cuda_runner.h"
#include "tests/engine/cuda/cuda_test.h"
#include "tests/engine/cuda/log_prob_errors.h"
#include "tests/testing/config_text.h"
#include "tests/testing/random_model.h"
#include "tests/testing/status_matchers.h"

namespace strided::cuda {
namespace {

constexpr int kLength = 150;  // more than a chunk of decode attention's keys

struct Widths {
  int d_model = 0;
  int d_ff = 0;
  int d_key = 0;
  int d_value = 0;
  std::string Name() const {
    return absl::StrCat("model", d_model, "_ff", d_ff, "_key", d_key, "_value", d_value);
  }
  friend void PrintTo(const Widths& widths, std::ostream* out) { *out << widths.Name(); }
};

// Four heads over three layers: the eight patterns, as lists of heads and as one for all.
std::string ConfigOf(const Widths& widths, absl::string_view position_rule) {
  return absl::StrCat(R"({"context_length": 160, "position_axes": [10, 16], "vocab_size": 97,
    "n_layer": 3, "n_head": 4, "d_model": )",
                      widths.d_model, R"(, "d_ff": )", widths.d_ff, R"(, "d_key": )", widths.d_key,
                      R"(, "d_value": )", widths.d_value, R"(, "position_rule": ")", position_rule,
                      R"(", "attention": [
    {"heads": [{"pattern": "strided", "stride": 12}, {"pattern": "local", "window": 24},
               {"pattern": "local_strided", "stride": 12}, {"pattern": "dense"}]},
    {"pattern": "fixed", "stride": 24, "cells": 4, "spread": 4},
    {"heads": [{"pattern": "block", "stride": 32}, {"pattern": "previous_block", "stride": 20},
               {"pattern": "summary", "stride": 24, "cells": 4, "spread": 3},
               {"pattern": "dense"}]}]})");
}

std::vector<int32_t> SomeTokens() {
  std::vector<int32_t> tokens;
  for (int i = 0; i < kLength; ++i) tokens.push_back((i * i * 7 + i) % 97);
  return tokens;
}

class ParityTest : public CudaTest, public testing::WithParamInterface<Widths> {
 protected:
  // The model's weights are numbers of bfloat16: what is compared is the arithmetic. By graphs: the
  // clusters' rounds once more, to a bound of cluster_step_test's.
  void ExpectParity(absl::string_view position_rule) {
    const RandomModel model =
        MakeRandomModel(SmallConfig(ConfigOf(GetParam(), position_rule)), 5, DType::kBfloat16);
    const std::vector<int32_t> tokens = SomeTokens();
    ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Executor> exact,
                         CreateCpuExecutor(model.config, model.weights, {}));
    const LogProbs expected = AllLogProbs(*exact, tokens, {}, {});
    for (const WeightFormat format : {WeightFormat::kFloat32, WeightFormat::kBfloat16}) {
      CudaOptions options = TestOptions(format);
      options.decode_path = CudaDecodePath::kGraph;
      const auto executor = MakeCudaExecutor(model.config, model.weights, options);
      SCOPED_TRACE(executor->info().numerics);
      const auto expect = format == WeightFormat::kFloat32 ? &ExpectExact : &ExpectWithinBfloat16;
      const LogProbs decoded = AllLogProbs(*executor, tokens, {}, {}, 0);
      const LogProbs prefilled = AllLogProbs(*executor, tokens, {}, {}, kLength);
      expect(decoded, expected);
      expect(prefilled, expected);
      expect(AllLogProbs(*executor, tokens, {}, {}, kLength / 2), expected);
      expect(decoded, prefilled);
    }
  }
};

TEST_P(ParityTest, Int8CachesAddLittle) {
  const RandomModel model =
      MakeRandomModel(SmallConfig(ConfigOf(GetParam(), "previous")), 5, DType::kBfloat16);
  const std::vector<int32_t> tokens = SomeTokens();
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<Executor> exact,
                       CreateCpuExecutor(model.config, model.weights, {}));
  const LogProbs expected = AllLogProbs(*exact, tokens, {}, {});
  const auto executor = MakeCudaExecutor(model.config, model.weights,
                                         TestOptions(WeightFormat::kBfloat16, CacheFormat::kInt8));
  const LogProbs decoded = AllLogProbs(*executor, tokens, {}, {}, 0);
  const LogProbs prefilled = AllLogProbs(*executor, tokens, {}, {}, kLength);
  ExpectWithinInt8Caches(decoded, expected);
  ExpectWithinInt8Caches(prefilled, expected);
  ExpectWithinInt8Caches(AllLogProbs(*executor, tokens, {}, {}, kLength / 2), expected);
  ExpectWithinInt8Caches(decoded, prefilled);
}

TEST_P(ParityTest, LogProbabilitiesAreThoseOfTheCpu) { ExpectParity("previous"); }

TEST_P(ParityTest, SoTheyAreWithPositionsOfTheCurrentToken) { ExpectParity("current"); }

INSTANTIATE_TEST_SUITE_P(Widths, ParityTest,
                         testing::Values(Widths{64, 256, 16, 16}, Widths{128, 512, 32, 32},
                                         Widths{256, 1024, 64, 64}, Widths{256, 512, 64, 128},
                                         Widths{320, 1280, 80, 48}, Widths{512, 2048, 128, 128},
                                         Widths{768, 3072, 192, 64}, Widths{1024, 4096, 256, 256},
                                         Widths{1024, 1024, 64, 256}),
                         [](const auto& widths) { return widths.param.Name(); });

}  // namespace
}  // namespace strided::cuda
