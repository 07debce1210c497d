// Looks for values that no arithmetic survives.

#ifndef STRIDED_ENGINE_MODEL_FINITE_H_
#define STRIDED_ENGINE_MODEL_FINITE_H_

#include <cstdint>
#include <optional>

#include "engine/model/tensor.h"

namespace strided {

// The row-major index of the first element of `tensor` that is a NaN or an infinity; none where all
// are finite, as int8 always is. Scales are not looked at. Reads each element once, at the speed of
// memory.
std::optional<int64_t> FirstNonFinite(const Tensor& tensor);

}  // namespace strided

#endif  // STRIDED_ENGINE_MODEL_FINITE_H_
