// How caches hold keys and values.

#ifndef STRIDED_ENGINE_CACHE_CACHE_FORMAT_H_
#define STRIDED_ENGINE_CACHE_CACHE_FORMAT_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "engine/model/config.h"
#include "engine/model/weight_format.h"

namespace strided {

enum class CacheFormat {
  kAuto,  // float32 beside float32 weights, float16 beside float16 on a GPU, else bfloat16
  // Elements of one byte, and for each key and each value a float32 scale: x = scale * element, the
  // largest of them +-127. Half of the memory, and of what a step reads.
  kInt8,
};

// "auto" or "int8"; nothing for another name.
std::optional<CacheFormat> CacheFormatFromName(absl::string_view name);

// InvalidArgument where the model's heads or the weights cannot have such caches: int8 ones take
// widths that are multiples of 8, up to 256, and no float32 weights.
absl::Status CheckCacheFormat(CacheFormat format, const ModelConfig& config, WeightFormat weights);

}  // namespace strided

#endif  // STRIDED_ENGINE_CACHE_CACHE_FORMAT_H_
