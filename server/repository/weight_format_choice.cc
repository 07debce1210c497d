#include "server/repository/weight_format_choice.h"

#include <optional>

namespace strided {

StoredFormats FormatsOf(const ModelConfig& config, const Weights& weights) {
  StoredFormats stored;
  for (const TensorSpec& spec : TensorCatalog(config)) {
    const Tensor* const tensor = weights.Find(spec.name);
    if (tensor == nullptr || tensor->shape.size() < 2) continue;  // no matrix
    const bool bfloat16 = tensor->dtype == DType::kBfloat16;
    const bool float16 = tensor->dtype == DType::kFloat16;
    stored.any_int8 |= tensor->dtype == DType::kInt8;
    stored.all_bfloat16 &= bfloat16;
    stored.all_float16 &= float16;
    stored.all_narrow &= bfloat16 || float16;
  }
  return stored;
}

WeightFormat FormatOnCpu(const StoredFormats& stored, bool bfloat16_dot) {
  if (stored.any_int8) return WeightFormat::kInt8;
  const bool bfloat16 = stored.all_bfloat16 || (stored.all_narrow && bfloat16_dot);
  return bfloat16 ? WeightFormat::kBfloat16 : WeightFormat::kFloat32;
}

WeightFormat FormatOnCuda(const StoredFormats& stored) {
  if (stored.any_int8) return WeightFormat::kInt8;
  return stored.all_float16 ? WeightFormat::kFloat16 : WeightFormat::kBfloat16;
}

WeightFormat ChooseWeightFormat(absl::string_view requested, const StoredFormats& stored,
                                DeviceKind device, bool bfloat16_dot) {
  if (const std::optional<WeightFormat> named = WeightFormatFromName(requested)) return *named;
  return device == DeviceKind::kCpu ? FormatOnCpu(stored, bfloat16_dot) : FormatOnCuda(stored);
}

}  // namespace strided
