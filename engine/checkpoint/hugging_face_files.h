// The weights of a Hugging Face directory, as they lie, under our names.

#ifndef STRIDED_ENGINE_CHECKPOINT_HUGGING_FACE_FILES_H_
#define STRIDED_ENGINE_CHECKPOINT_HUGGING_FACE_FILES_H_

#include <string>

#include "absl/status/statusor.h"
#include "engine/checkpoint/hugging_face_config.h"
#include "engine/model/weights.h"

namespace strided {

// The weights of `directory`: model.safetensors, or the shards of its index. Nothing is copied:
// matrices that lie transposed, or three in one, are views (Tensor::column_pitch). Errors as
// Weights::Load, in the files' own names of their tensors; where there are only PyTorch's pickles
// the text says how to turn them into safetensors.
absl::StatusOr<Weights> LoadHuggingFaceWeights(const std::string& directory,
                                               const HuggingFaceConfig& config);

}  // namespace strided

#endif  // STRIDED_ENGINE_CHECKPOINT_HUGGING_FACE_FILES_H_
