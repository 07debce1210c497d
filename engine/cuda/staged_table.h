// A table that the host writes anew before each call, and kernels read.

#ifndef STRIDED_ENGINE_CUDA_STAGED_TABLE_H_
#define STRIDED_ENGINE_CUDA_STAGED_TABLE_H_

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/status_macros.h"
#include "engine/cuda/device_buffer.h"
#include "engine/cuda/kernels/cuda_status.h"
#include "engine/cuda/pinned_buffer.h"
#include "engine/cuda/stream.h"

namespace strided::cuda {

// Device memory, and page-locked host memory of the same size from which it is filled: the caller's
// own array is free again when Send returns, and the host does not wait for the device unless it
// writes the table twice before the first copy is done. Owns both. Move only; one thread at a time.
template <typename T>
class StagedTable {
 public:
  StagedTable() = default;

  // Room for `size` elements on the current device. ResourceExhausted where memory does not
  // suffice.
  static absl::StatusOr<StagedTable> Create(size_t size) {
    StagedTable table;
    ASSIGN_OR_RETURN(table.host_, PinnedBuffer<T>::Create(size));
    ASSIGN_OR_RETURN(table.device_, DeviceBuffer<T>::Create(size));
    ASSIGN_OR_RETURN(table.sent_, CreateEvent());
    return table;
  }

  // Puts `elements` at the front, in the order of `stream`; they may change afterwards. Waits for
  // the copy before, if that is not done. Requires elements.size() <= the size.
  absl::Status Send(std::span<const T> elements, cudaStream_t stream) {
    RETURN_IF_ERROR(CudaError(cudaEventSynchronize(sent_.get()), "waiting for a table's copy"));
    std::copy(elements.begin(), elements.end(), host_.data());
    RETURN_IF_ERROR(CudaError(cudaMemcpyAsync(device_.data(), host_.data(), elements.size_bytes(),
                                              cudaMemcpyHostToDevice, stream),
                              "copying a table to the device"));
    return CudaError(cudaEventRecord(sent_.get(), stream), "recording an event");
  }

  // In device memory; elements beyond the last Send's are those of earlier ones.
  const T* data() const { return device_.data(); }
  size_t size() const { return device_.size(); }
  int64_t bytes() const { return device_.bytes(); }

 private:
  PinnedBuffer<T> host_;
  DeviceBuffer<T> device_;
  Event sent_;
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_STAGED_TABLE_H_
