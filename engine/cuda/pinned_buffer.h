// Page-locked host memory, owned.

#ifndef STRIDED_ENGINE_CUDA_PINNED_BUFFER_H_
#define STRIDED_ENGINE_CUDA_PINNED_BUFFER_H_

#include <cuda_runtime_api.h>

#include <cstddef>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/cuda/kernels/cuda_status.h"

namespace strided::cuda {

// An array in page-locked host memory, which copies to and from a device do not have to stage: they
// run beside the host. Owns its memory; freed with it, so no copy that uses it may still be under
// way then. Holds none where it was made without elements, by default or by a move; then data() is
// null. Move only; not thread-safe.
template <typename T>
class PinnedBuffer {
 public:
  PinnedBuffer() = default;
  PinnedBuffer(PinnedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  PinnedBuffer& operator=(PinnedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~PinnedBuffer() {
    if (data_ != nullptr) cudaFreeHost(data_);
  }

  // `size` elements of undefined value. ResourceExhausted with the bytes where they are not to be
  // had.
  static absl::StatusOr<PinnedBuffer> Create(size_t size) {
    PinnedBuffer buffer;
    if (size == 0) return buffer;
    void* data = nullptr;
    RETURN_IF_ERROR(CudaError(cudaHostAlloc(&data, size * sizeof(T), cudaHostAllocDefault),
                              absl::StrCat("allocating ", size * sizeof(T), " page-locked bytes")));
    buffer.data_ = static_cast<T*>(data);
    buffer.size_ = size;
    return buffer;
  }

  // Host memory. What a copy in a stream is reading or writing may be touched only once the stream
  // has come past it.
  T* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  T* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_PINNED_BUFFER_H_
