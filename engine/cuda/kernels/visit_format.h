// From a weight format that is known at run time to a kernel's template arguments.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_VISIT_FORMAT_H_
#define STRIDED_ENGINE_CUDA_KERNELS_VISIT_FORMAT_H_

#include "engine/cuda/kernels/device_types.h"
#include "engine/model/weight_format.h"

namespace strided::cuda {

// visit.operator()<format, its operand>(). Requires a format of at most 16 bits.
template <typename Visit>
auto VisitFormat(WeightFormat format, Visit&& visit) {
  switch (format) {
    case WeightFormat::kFloat16:
      return visit.template operator()<WeightFormat::kFloat16, Operand::kFloat16>();
    case WeightFormat::kInt8:
      return visit.template operator()<WeightFormat::kInt8, Operand::kBfloat16>();
    case WeightFormat::kFloat8:
      return visit.template operator()<WeightFormat::kFloat8, Operand::kBfloat16>();
    default:
      return visit.template operator()<WeightFormat::kBfloat16, Operand::kBfloat16>();
  }
}

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_VISIT_FORMAT_H_
