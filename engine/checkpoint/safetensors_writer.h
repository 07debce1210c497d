// Writes a model.safetensors tensor by tensor (the format: engine/model/safetensors.h).

#ifndef STRIDED_ENGINE_CHECKPOINT_SAFETENSORS_WRITER_H_
#define STRIDED_ENGINE_CHECKPOINT_SAFETENSORS_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/checkpoint/output_file.h"
#include "engine/model/tensor.h"

namespace strided {

// A tensor to be written.
struct PlannedTensor {
  std::string name;
  DType dtype = DType::kFloat32;  // float32 or bfloat16
  std::vector<int64_t> shape;
};

// Bytes of its data.
int64_t PlannedBytes(const PlannedTensor& tensor);

// Use: Create; Write for each planned tensor, in their order; Finish. Holds a few KiB. Errors are
// those of OutputFile.
class SafetensorsWriter {
 public:
  // Creates the file at `path` and writes its header.
  static absl::StatusOr<SafetensorsWriter> Create(const std::string& path,
                                                  std::vector<PlannedTensor> tensors);

  // The next tensor's values, row-major, rounded to its dtype (to nearest, ties to even).
  // InvalidArgument, with the tensor, where the number of values is not its shape's.
  absl::Status Write(std::span<const float> values);

  // FailedPrecondition where tensors are left.
  absl::Status Finish();

 private:
  SafetensorsWriter(OutputFile file, std::vector<PlannedTensor> tensors)
      : file_(std::move(file)), tensors_(std::move(tensors)) {}

  OutputFile file_;
  std::vector<PlannedTensor> tensors_;
  size_t next_ = 0;  // the tensor that Write takes
};

}  // namespace strided

#endif  // STRIDED_ENGINE_CHECKPOINT_SAFETENSORS_WRITER_H_
