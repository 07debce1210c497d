// From a foreign checkpoint to a model directory that the server takes.

#ifndef STRIDED_ENGINE_CHECKPOINT_CONVERTER_H_
#define STRIDED_ENGINE_CHECKPOINT_CONVERTER_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/checkpoint/foreign_checkpoint.h"
#include "engine/model/tensor.h"

namespace strided {

struct ConversionOptions {
  // Of matrices, float32 or bfloat16. Vectors, which cost next to nothing, stay float32.
  DType matrix_dtype = DType::kFloat32;
};

// Called before each tensor with the bytes written so far and those to come in all; anything but OK
// stops the conversion and is what it returns.
using ConversionProgress = std::function<absl::Status(int64_t done, int64_t total)>;

struct ConvertedModel {
  int64_t parameters = 0;
  int64_t bytes = 0;        // of the weights
  std::string fingerprint;  // as Weights::fingerprint()
};

// Writes `directory`, e.g. "models/c10/1", with config.json and model.safetensors, loads both as
// the server does, and only then gives the directory its name: whatever fails, nothing is left
// behind. One tensor is in memory at a time, twice where it has to be transposed. AlreadyExists
// where `directory` is there; the errors of `source`, of the file system and of `progress` as they
// are; Internal where the result does not load.
absl::StatusOr<ConvertedModel> ConvertCheckpoint(const ForeignCheckpoint& source,
                                                 const std::string& directory,
                                                 const ConversionOptions& options,
                                                 const ConversionProgress& progress);

}  // namespace strided

#endif  // STRIDED_ENGINE_CHECKPOINT_CONVERTER_H_
