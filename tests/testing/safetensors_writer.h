// Safetensors files as tests need them: right, and wrong in one place.

#ifndef STRIDED_TESTS_TESTING_SAFETENSORS_WRITER_H_
#define STRIDED_TESTS_TESTING_SAFETENSORS_WRITER_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "engine/model/tensor.h"

namespace strided {

struct StoredTensor {
  std::string name;
  std::string dtype;  // as in the file: "F32"
  std::vector<int64_t> shape;
  std::string bytes;
};

// `values` in row-major order, each rounded to the nearest of `dtype`; not for int8.
StoredTensor StoreValues(absl::string_view name, DType dtype, std::vector<int64_t> shape,
                         std::span<const float> values);

// An int8 matrix and its scales, "<name>.scale": the largest magnitude of a row becomes 127.
std::vector<StoredTensor> StoreInt8(absl::string_view name, std::vector<int64_t> shape,
                                    std::span<const float> values);

// The header's JSON for these tensors, one after the other.
std::string SafetensorsHeader(std::span<const StoredTensor> tensors);

// A whole file: length, `header`, `data`; nothing is checked.
std::string SafetensorsFile(absl::string_view header, absl::string_view data);

// The whole file of these tensors.
std::string SafetensorsFile(std::span<const StoredTensor> tensors);

}  // namespace strided

#endif  // STRIDED_TESTS_TESTING_SAFETENSORS_WRITER_H_
