// Any bytes as a model.safetensors: refused with a reason, or tensors that lie within the file, and
// then perhaps the weights of the smallest model.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "engine/model/config.h"
#include "engine/model/safetensors.h"
#include "engine/model/weights.h"
#include "tests/fuzz/require.h"
#include "tests/testing/temporary_directory.h"

namespace strided {
namespace {

// Every size is 1, so that the fuzzer's bytes are names and shapes rather than numbers. The file
// corpus/safetensors/smallest_model fits it.
constexpr char kSmallestModel[] = R"json({
  "architecture": "sparse_transformer", "modality": "text", "vocab_size": 1,
  "context_length": 1, "n_layer": 1, "n_head": 1, "d_model": 1, "d_ff": 1, "d_key": 1,
  "d_value": 1, "activation": "relu", "norm_epsilon": 1e-5, "final_norm_epsilon": null,
  "attention_scale": "none", "position_axes": [1], "position_rule": "previous",
  "attention": [{"pattern": "dense"}], "tied_head": true, "head_bias": false})json";

const ModelConfig& SmallestConfig() {
  static const absl::StatusOr<ModelConfig> kConfig =
      ModelConfig::FromJson(kSmallestModel, "config");
  Require(kConfig.ok(), "the smallest configuration is valid");
  return *kConfig;
}

// ParseSafetensors promises that reading any row stays within the file.
void ReadAll(const std::vector<Tensor>& tensors) {
  for (const Tensor& tensor : tensors) {
    // Scales come from a tensor of their own; without them a row has no values.
    if (tensor.dtype == DType::kInt8) continue;
    std::vector<float> row(static_cast<size_t>(tensor.columns()));
    for (int64_t i = 0; i < tensor.rows(); ++i) tensor.ReadRow(i, row);
  }
}

void Fuzz(std::span<const std::byte> file) {
  const auto skipped = [](absl::string_view name) { return name.size() % 2 == 1; };
  if (const auto some = ParseSafetensors(file, skipped); some.ok()) ReadAll(*some);
  const absl::StatusOr<std::vector<Tensor>> tensors = ParseSafetensors(file);
  if (!tensors.ok()) {
    Require(tensors.status().code() == absl::StatusCode::kInvalidArgument, "InvalidArgument");
    Require(!tensors.status().message().empty(), "a refusal says why");
    return;
  }
  ReadAll(*tensors);
  static const TemporaryDirectory kDirectory;
  kDirectory.Write("model.safetensors",
                   absl::string_view(reinterpret_cast<const char*>(file.data()), file.size()));
  const absl::StatusOr<Weights> weights = Weights::Load(kDirectory.path(), SmallestConfig());
  if (!weights.ok()) return;
  for (const TensorSpec& spec : TensorCatalog(SmallestConfig())) {
    const Tensor* tensor = weights->Find(spec.name);
    Require(tensor == nullptr || tensor->shape == spec.shape, "loaded tensors have their shapes");
  }
  Require(weights->fingerprint().size() == 32, "a fingerprint has 32 digits");
}

}  // namespace
}  // namespace strided

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  strided::Fuzz(std::as_bytes(std::span(bytes, size)));
  return 0;
}
