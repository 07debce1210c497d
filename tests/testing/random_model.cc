#include "tests/testing/random_model.h"

#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <iostream>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "tests/testing/config_text.h"

namespace strided {
namespace {

// SplitMix64 (Steele, Lea, Flood 2014); the standard library's distributions differ between
// libraries, and their engines are slower.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  // Uniform in [-1, 1).
  float Uniform() {
    state_ += 0x9e3779b97f4a7c15;
    uint64_t z = state_;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    z ^= z >> 31;
    return static_cast<float>(static_cast<int64_t>(z) >> 40) * 0x1p-23f;
  }

 private:
  uint64_t state_;
};

// Values are uniform in [center - width, center + width).
struct Range {
  float center = 0;
  float width = 0;
};

Range RangeOf(const TensorSpec& spec) {
  if (absl::EndsWith(spec.name, "norm.weight")) return {.center = 1, .width = 0.3f};
  if (spec.shape.size() == 1) return {.width = 0.3f};  // biases and the start vector
  if (absl::StrContains(spec.name, "embedding") || absl::StartsWith(spec.name, "condition.")) {
    return {.width = 1};
  }
  // Variance 1 / fan-in keeps the scale of what goes through; the head is wider, so that the
  // distributions are far from uniform.
  const float gain = spec.name == "head.weight" ? 2.0f : 1.0f;
  return {.width = gain * std::sqrt(3.0f / static_cast<float>(spec.shape[1]))};
}

std::vector<float> Draw(const TensorSpec& spec, Random& random) {
  size_t count = 1;
  for (const int64_t dimension : spec.shape) count *= static_cast<size_t>(dimension);
  const Range range = RangeOf(spec);
  std::vector<float> values(count);
  for (float& value : values) value = range.center + range.width * random.Uniform();
  return values;
}

template <typename T>
T Require(absl::StatusOr<T> result) {
  if (!result.ok()) {
    std::cerr << "random model: " << result.status() << "\n";
    std::abort();
  }
  return *std::move(result);
}

}  // namespace

std::vector<StoredTensor> RandomTensors(const ModelConfig& config, uint64_t seed, DType dtype,
                                        Biases biases) {
  Random random(seed);
  std::vector<StoredTensor> tensors;
  for (TensorSpec& spec : TensorCatalog(config)) {
    const std::vector<float> values = Draw(spec, random);
    if (spec.optional && biases == Biases::kNone) continue;
    if (dtype != DType::kInt8) {
      tensors.push_back(StoreValues(spec.name, dtype, std::move(spec.shape), values));
    } else if (spec.shape.size() == 1) {
      tensors.push_back(StoreValues(spec.name, DType::kFloat32, std::move(spec.shape), values));
    } else {
      for (StoredTensor& part : StoreInt8(spec.name, std::move(spec.shape), values)) {
        tensors.push_back(std::move(part));
      }
    }
  }
  return tensors;
}

RandomModel MakeRandomModel(const ModelConfig& config, uint64_t seed, DType dtype, Biases biases) {
  TemporaryDirectory directory;
  const std::string config_path = directory.Write("config.json", ConfigText(config));
  directory.Write("model.safetensors", SafetensorsFile(RandomTensors(config, seed, dtype, biases)));
  ModelConfig loaded = Require(ModelConfig::Load(config_path));
  Weights weights = Require(Weights::Load(directory.path(), loaded));
  return {.directory = std::move(directory),
          .config = std::move(loaded),
          .weights = std::move(weights)};
}

}  // namespace strided
