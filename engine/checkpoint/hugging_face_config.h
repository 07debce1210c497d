// The config.json of a Hugging Face directory, told as ours (engine/README.md, "config.json").
//
// transformers' GPT2Config, GPTNeoConfig and ImageGPTConfig, and the config.json of ruGPT3XL's
// converted weights. Fields that change nothing about inference are not looked at; those that would
// change the arithmetic in a way that the engine has not are refused.

#ifndef STRIDED_ENGINE_CHECKPOINT_HUGGING_FACE_CONFIG_H_
#define STRIDED_ENGINE_CHECKPOINT_HUGGING_FACE_CONFIG_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/model/config.h"

namespace strided {

enum class HuggingFaceFamily {
  kGpt2,      // "gpt2": dense
  kGptNeo,    // "gpt_neo", TinyStories too: dense and local layers, no scale
  kImageGpt,  // "imagegpt": colour clusters after a start token, Norm::kScale
  kRuGpt3Xl,  // "rugpt3xl": fixed and dense layers
};

struct HuggingFaceConfig {
  HuggingFaceFamily family = HuggingFaceFamily::kGpt2;
  std::string text;  // our config.json
  ModelConfig config;
};

// Whether `text` is the config.json of a Hugging Face directory: JSON with a model_type.
bool IsHuggingFaceConfig(absl::string_view text);

// `source` names the file in errors. InvalidArgument with the field, what was found and what was
// expected: a model_type that is not served, a field that is missing or out of range, an option
// that the engine has not.
absl::StatusOr<HuggingFaceConfig> ParseHuggingFaceConfig(absl::string_view text,
                                                         absl::string_view source);

}  // namespace strided

#endif  // STRIDED_ENGINE_CHECKPOINT_HUGGING_FACE_CONFIG_H_
