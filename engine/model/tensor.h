// A tensor of a model file, as it lies in the file.

#ifndef STRIDED_ENGINE_MODEL_TENSOR_H_
#define STRIDED_ENGINE_MODEL_TENSOR_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace strided {

// How an element is stored.
enum class DType {
  kFloat32,   // IEEE 754 binary32
  kFloat16,   // IEEE 754 binary16
  kBfloat16,  // the upper half of a binary32
  kInt8,      // two's complement, matrices only; a scale per row
};

// Bytes of one element.
int DTypeSize(DType dtype);
// The name that safetensors uses: "F32", "F16", "BF16", "I8".
absl::string_view DTypeName(DType dtype);
// For messages, e.g. "[512, 256]".
std::string ShapeText(const std::vector<int64_t>& shape);

// A view: whoever made it says how long it lives. Row-major; vectors have one dimension, matrices
// are [out, in]. An int8 matrix comes with one float32 scale per row: value = scale[row] * element.
struct Tensor {
  std::string name;  // e.g. "layers.3.attn.q.weight"
  DType dtype = DType::kFloat32;
  std::vector<int64_t> shape;
  std::span<const std::byte> data;    // little-endian; alignment is not promised
  std::span<const std::byte> scales;  // float32 [shape[0]], for kInt8 alone; else empty
  // 0: the rows lie one after the other. Else a matrix of a foreign file that has its columns so
  // ([in, out]), this many elements from one to the next; `data` ends with the last. Never kInt8.
  int64_t column_pitch = 0;

  // A vector is one row.
  int64_t rows() const { return shape.size() == 2 ? shape[0] : 1; }
  int64_t columns() const { return shape.back(); }

  // Row `row` as float32, exactly (every dtype widens without rounding, int8 by one product).
  // Requires 0 <= row < rows() and out.size() == columns().
  void ReadRow(int64_t row, std::span<float> out) const;

 private:
  void ReadPitchedRow(int64_t row, std::span<float> out) const;
};

// For messages: dtype and shape, e.g. "F32 [512, 256]".
std::string Described(const Tensor& tensor);

}  // namespace strided

#endif  // STRIDED_ENGINE_MODEL_TENSOR_H_
