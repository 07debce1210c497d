#include "engine/cache/cache_format.h"

#include "absl/strings/str_cat.h"

namespace strided {

std::optional<CacheFormat> CacheFormatFromName(absl::string_view name) {
  if (name == "auto") return CacheFormat::kAuto;
  if (name == "int8") return CacheFormat::kInt8;
  return std::nullopt;
}

absl::Status CheckCacheFormat(CacheFormat format, const ModelConfig& config, WeightFormat weights) {
  if (format == CacheFormat::kAuto) return absl::OkStatus();
  if (weights == WeightFormat::kFloat32) {
    return absl::InvalidArgumentError(
        "cache_format is int8 and weight_format float32; it must be a narrower one, or "
        "cache_format auto");
  }
  constexpr int kStep = 8;
  constexpr int kWidest = 256;
  for (const int width : {config.d_key, config.d_value}) {
    if (width % kStep == 0 && width <= kWidest) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("cache_format is int8 and a head's keys or values have ", width,
                     " elements; they must be a multiple of ", kStep, ", at most ", kWidest));
  }
  return absl::OkStatus();
}

}  // namespace strided
