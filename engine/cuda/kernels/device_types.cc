#include "engine/cuda/kernels/device_types.h"

namespace strided::cuda {

Operand OperandOf(WeightFormat format) {
  if (format == WeightFormat::kFloat32) return Operand::kFloat32;
  return format == WeightFormat::kFloat16 ? Operand::kFloat16 : Operand::kBfloat16;
}

int OperandBytes(Operand operand) { return operand == Operand::kFloat32 ? 4 : 2; }

}  // namespace strided::cuda
