// Any text as a Hugging Face config.json: refused with a reason, or a model of ours whose every
// tensor has a place in the files.

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "engine/checkpoint/hugging_face_config.h"
#include "engine/checkpoint/hugging_face_layout.h"
#include "tests/fuzz/require.h"

namespace strided {
namespace {

constexpr int kFewLayers = 64;  // a catalog of more would only take longer

void Fuzz(absl::string_view text) {
  IsHuggingFaceConfig(text);
  const absl::StatusOr<HuggingFaceConfig> parsed = ParseHuggingFaceConfig(text, "fuzzed");
  if (!parsed.ok()) {
    Require(parsed.status().code() == absl::StatusCode::kInvalidArgument, "InvalidArgument");
    Require(!parsed.status().message().empty(), "a refusal says why");
    return;
  }
  Require(ModelConfig::FromJson(parsed->text, "translated").ok(), "what is written can be read");
  if (parsed->config.n_layer > kFewLayers) return;
  for (const TensorSpec& spec : TensorCatalog(parsed->config)) {
    const TensorPlace place = PlaceOf(spec, *parsed);
    Require(!place.name.empty(), "a place has a name");
    const int64_t rows = place.by_columns ? place.shape[1] : place.shape[0];
    const int64_t wanted = spec.name == "start" ? 1 : spec.shape[0];
    Require(place.first_row + wanted <= rows, "a part lies within its tensor");
  }
}

}  // namespace
}  // namespace strided

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  strided::Fuzz(absl::string_view(reinterpret_cast<const char*>(bytes), size));
  return 0;
}
