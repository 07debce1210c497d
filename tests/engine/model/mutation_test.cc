// Model files that a fuzzer might write: whatever the bytes are, the answer is a model or an error.
// Run under the sanitizers this also shows that nothing outside the files is read.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "engine/model/config.h"
#include "engine/model/safetensors.h"
#include "engine/model/weights.h"
#include "tests/testing/config_text.h"
#include "tests/testing/random_model.h"
#include "tests/testing/safetensors_writer.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace strided {
namespace {

using ::testing::AnyOf;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

// One to four edits within the first `extent` bytes: a byte replaced, removed or repeated, a run
// copied elsewhere, a number blown up, or the rest cut off.
std::string Mutated(std::string text, size_t extent, std::mt19937_64& random) {
  const auto below = [&](size_t limit) { return static_cast<size_t>(random() % limit); };
  const size_t edits = 1 + below(4);
  for (size_t edit = 0; edit < edits && !text.empty(); ++edit) {
    const size_t at = below(std::min(extent, text.size()));
    switch (below(6)) {
      case 0:
        text[at] = static_cast<char>(random());
        break;
      case 1:
        text.erase(at, 1 + below(8));
        break;
      case 2:
        text.insert(at, 1, text[at]);
        break;
      case 3:
        text.insert(at, text.substr(below(text.size()), below(32)));
        break;
      case 4:
        text.insert(at, std::to_string(random()));
        break;
      case 5:
        if (below(4) == 0) text.resize(at);
        break;
    }
  }
  return text;
}

TEST(MutationTest, AMutatedConfigIsReadOrRefused) {
  std::mt19937_64 random(20190423);
  const std::string original = SmallConfigText(
      R"({"modality": "image", "image": {"height": 2, "width": 4, "channels": 3},
          "conditions": [{"name": "a", "values": 4, "labels": ["any", "x", "y", "z"]}]})");
  int refused = 0;
  for (int round = 0; round < 4000; ++round) {
    const std::string text = Mutated(original, original.size(), random);
    const absl::StatusOr<ModelConfig> config = ModelConfig::FromJson(text, "c");
    EXPECT_THAT(config, AnyOf(IsOk(), StatusIs(kInvalid))) << text;
    refused += config.ok() ? 0 : 1;
  }
  EXPECT_GT(refused, 2000);
}

TEST(MutationTest, AMutatedFileIsReadOrRefused) {
  std::mt19937_64 random(20190424);
  const ModelConfig config = SmallConfig();
  const std::string original = SafetensorsFile(RandomTensors(config, 1, DType::kInt8));
  const size_t header_end = 8 + SafetensorsHeader(RandomTensors(config, 1, DType::kInt8)).size();
  const TemporaryDirectory directory;
  int refused = 0;
  for (int round = 0; round < 300; ++round) {
    directory.Write("model.safetensors", Mutated(original, header_end, random));
    const absl::StatusOr<Weights> weights = Weights::Load(directory.path(), config);
    EXPECT_THAT(weights, AnyOf(IsOk(), StatusIs(kInvalid))) << "round " << round;
    refused += weights.ok() ? 0 : 1;
  }
  EXPECT_GT(refused, 150);
}

TEST(MutationTest, EveryTensorThatIsReadLiesWithinItsFile) {
  std::mt19937_64 random(20190425);
  const std::vector<StoredTensor> tensors = {
      StoreValues("a", DType::kFloat32, {2, 3}, std::vector<float>(6, 1)),
      StoreValues("b", DType::kFloat16, {5}, std::vector<float>(5, 1))};
  const std::string original = SafetensorsFile(tensors);
  for (int round = 0; round < 20000; ++round) {
    const std::string file = Mutated(original, original.size(), random);
    const absl::StatusOr<std::vector<Tensor>> parsed =
        ParseSafetensors(std::as_bytes(std::span(file)));
    if (!parsed.ok()) continue;
    size_t bytes = 0;
    for (const Tensor& tensor : *parsed) {
      std::vector<float> row(static_cast<size_t>(tensor.columns()));
      if (tensor.dtype != DType::kInt8) tensor.ReadRow(tensor.rows() - 1, row);
      bytes += tensor.data.size();
    }
    EXPECT_LE(bytes, file.size()) << "round " << round;
  }
}

TEST(MutationTest, AMutatedIndexIsReadOrRefused) {
  std::mt19937_64 random(20190426);
  const std::string original =
      R"({"metadata":{"total_size":12},"weight_map":{"a":"m-1.safetensors","b":"m-2.safetensors"}})";
  for (int round = 0; round < 5000; ++round) {
    const std::string text = Mutated(original, original.size(), random);
    EXPECT_THAT(ParseShardIndex(text), AnyOf(IsOk(), StatusIs(kInvalid))) << text;
  }
}

}  // namespace
}  // namespace strided
