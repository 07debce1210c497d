// How an executor keeps a model's matrices in memory.

#ifndef STRIDED_ENGINE_MODEL_WEIGHT_FORMAT_H_
#define STRIDED_ENGINE_MODEL_WEIGHT_FORMAT_H_

#include <optional>

#include "absl/strings/string_view.h"

namespace strided {

enum class WeightFormat {
  kFloat32,
  kFloat16,   // IEEE binary16; on devices that multiply it
  kBfloat16,  // the upper half of a float32
  kInt8,      // one float32 scale per row of a matrix
  kFloat8,    // e4m3 with one float32 scale per row; on devices that convert it
};

// The name in settings and logs, e.g. "bfloat16".
absl::string_view WeightFormatName(WeightFormat format);

// None where `name` is no format's.
std::optional<WeightFormat> WeightFormatFromName(absl::string_view name);

// Bytes of one element of a matrix, its scales aside.
int WeightBytes(WeightFormat format);

}  // namespace strided

#endif  // STRIDED_ENGINE_MODEL_WEIGHT_FORMAT_H_
