// A version directory of a model repository, ours or Hugging Face's, read and checked.

#ifndef STRIDED_ENGINE_CHECKPOINT_MODEL_DIRECTORY_H_
#define STRIDED_ENGINE_CHECKPOINT_MODEL_DIRECTORY_H_

#include <string>

#include "absl/status/statusor.h"
#include "engine/model/config.h"
#include "engine/model/weights.h"

namespace strided {

struct ModelDirectory {
  ModelConfig config;
  std::string config_text;  // ours, normalised: equal configurations written apart are equal here
  Weights weights;
};

// What `directory`/config.json says: ours, or, with a model_type, a Hugging Face directory's.
// NotFound where there is none; InvalidArgument with the field, what was found and what was
// expected.
absl::StatusOr<ModelConfig> ReadModelConfig(const std::string& directory);

// The same with the weights. Errors as above, as Weights::Load and as LoadHuggingFaceWeights.
absl::StatusOr<ModelDirectory> ReadModelDirectory(const std::string& directory);

}  // namespace strided

#endif  // STRIDED_ENGINE_CHECKPOINT_MODEL_DIRECTORY_H_
