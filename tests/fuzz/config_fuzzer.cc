// Any text as a config.json: refused with a reason, or a model whose parts agree.

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "engine/model/config.h"
#include "engine/model/weights.h"
#include "tests/fuzz/require.h"

namespace strided {
namespace {

void Fuzz(absl::string_view text) {
  const absl::StatusOr<ModelConfig> config = ModelConfig::FromJson(text, "fuzzed");
  if (!config.ok()) {
    Require(config.status().code() == absl::StatusCode::kInvalidArgument, "InvalidArgument");
    Require(!config.status().message().empty(), "a refusal says why");
    return;
  }
  Require(config->vocab_size > 0 && config->context_length > 0, "sizes are positive");
  Require(config->attention.size() == static_cast<size_t>(config->n_layer), "a list per layer");
  for (const auto& heads : config->attention) {
    Require(heads.size() == static_cast<size_t>(config->n_head), "a pattern per head");
  }
  const int last = config->context_length - 1;
  Require(config->PositionCoordinates(last).size() == config->position_axes.size(),
          "a coordinate per axis");
  for (const TensorSpec& tensor : TensorCatalog(*config)) {
    for (const int64_t size : tensor.shape) Require(size > 0, "tensors are not empty");
  }
}

}  // namespace
}  // namespace strided

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  strided::Fuzz(absl::string_view(reinterpret_cast<const char*>(bytes), size));
  return 0;
}
