// The files of a model's weights, mapped, with the tensors that they hold.

#ifndef STRIDED_ENGINE_MODEL_MODEL_FILES_H_
#define STRIDED_ENGINE_MODEL_MODEL_FILES_H_

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/model/mapped_file.h"
#include "engine/model/safetensors.h"
#include "engine/model/tensor.h"

namespace strided {

// Tensors as they are stored, by name, whatever the model; int8 scales are tensors of their own
// here. They point into `files`, and stay valid when this moves.
struct ModelFiles {
  std::vector<MappedFile> files;
  std::map<std::string, Tensor, std::less<>> tensors;
};

// Maps `model.safetensors`, or else the shards of `model.safetensors.index.json`, in `directory`.
// NotFound where there is neither, or a shard is missing; InvalidArgument where a file is not of
// its format (safetensors.h), or index and shards do not hold the same tensors. Texts start with
// the file's path. Tensors that `skipped` takes are left out, as ParseSafetensors says.
absl::StatusOr<ModelFiles> OpenModelFiles(const std::string& directory, TensorNameTest skipped);
inline absl::StatusOr<ModelFiles> OpenModelFiles(const std::string& directory) {
  return OpenModelFiles(directory, [](absl::string_view) { return false; });
}

}  // namespace strided

#endif  // STRIDED_ENGINE_MODEL_MODEL_FILES_H_
