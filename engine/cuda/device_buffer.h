// An array in device memory.

#ifndef STRIDED_ENGINE_CUDA_DEVICE_BUFFER_H_
#define STRIDED_ENGINE_CUDA_DEVICE_BUFFER_H_

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/cuda/kernels/cuda_status.h"

namespace strided::cuda {

// Owns its memory; freed with it, after what the device still runs. Holds no memory where it has
// been made without elements, by default or by a move; then data() is null and copies do nothing.
// Not thread-safe.
template <typename T>
class DeviceBuffer {
  static_assert(std::is_trivially_copyable_v<T>, "elements are copied byte by byte");

 public:
  // `count` elements of undefined value, on the current device. ResourceExhausted where memory does
  // not suffice.
  static absl::StatusOr<DeviceBuffer> Create(size_t count) {
    DeviceBuffer buffer;
    if (count == 0) return buffer;
    void* memory = nullptr;
    if (const cudaError_t error = cudaMalloc(&memory, count * sizeof(T)); error != cudaSuccess) {
      static_cast<void>(
          cudaGetLastError());  // a full device is no reason for the next call to fail
      return CudaError(error, "allocation");
    }
    buffer.data_ = static_cast<T*>(memory);
    buffer.size_ = count;
    return buffer;
  }

  DeviceBuffer() = default;
  DeviceBuffer(DeviceBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~DeviceBuffer() { cudaFree(data_); }  // null: nothing

  T* data() const { return data_; }  // of the device
  size_t size() const { return size_; }
  int64_t bytes() const { return static_cast<int64_t>(size_ * sizeof(T)); }

  // The following happen in `stream`'s order. `host` may be reused on return. Requires
  // host.size() <= size().
  absl::Status CopyFrom(std::span<const T> host, cudaStream_t stream) {
    if (host.empty()) return absl::OkStatus();
    return CudaError(
        cudaMemcpyAsync(data_, host.data(), host.size_bytes(), cudaMemcpyHostToDevice, stream),
        "copy to the device");
  }
  // Requires other.size() <= size().
  absl::Status CopyFrom(const DeviceBuffer& other, cudaStream_t stream) {
    if (other.size_ == 0) return absl::OkStatus();
    return CudaError(cudaMemcpyAsync(data_, other.data_, other.size_ * sizeof(T),
                                     cudaMemcpyDeviceToDevice, stream),
                     "copy on the device");
  }
  // Sets every byte.
  absl::Status Fill(std::byte value, cudaStream_t stream) {
    if (size_ == 0) return absl::OkStatus();
    return CudaError(cudaMemsetAsync(data_, std::to_integer<int>(value), size_ * sizeof(T), stream),
                     "fill");
  }
  // Fills `host` and waits for it. Requires host.size() <= size().
  absl::Status CopyTo(std::span<T> host, cudaStream_t stream) const {
    if (host.empty()) return absl::OkStatus();
    const cudaError_t error =
        cudaMemcpyAsync(host.data(), data_, host.size_bytes(), cudaMemcpyDeviceToHost, stream);
    if (error != cudaSuccess) return CudaError(error, "copy from the device");
    return CudaError(cudaStreamSynchronize(stream), "copy from the device");
  }

 private:
  T* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_DEVICE_BUFFER_H_
