// Brings a model's weights to a device, in the form that its kernels read.

#ifndef STRIDED_ENGINE_CUDA_NETWORK_LOADER_H_
#define STRIDED_ENGINE_CUDA_NETWORK_LOADER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/cuda/device_buffer.h"
#include "engine/cuda/device_network.h"
#include "engine/model/config.h"
#include "engine/model/weight_format.h"
#include "engine/model/weights.h"

namespace strided::cuda {

// InvalidArgument, with the product, its inputs and the limit, where a decode step could not launch
// the model's widest product: float32's stages a row of all inputs in a block's `shared_bytes` of
// shared memory. The other formats stage pieces, and take any width.
absl::Status CheckProductInputs(const ModelConfig& config, WeightFormat format,
                                int64_t shared_bytes);

// A network in device memory, with the memory. Immutable; move only.
class LoadedNetwork {
 public:
  // Matrices packed in `format`; tables, norms, biases and scales in float32. `weights` is not
  // needed afterwards. ResourceExhausted where memory does not suffice, with the bytes.
  static absl::StatusOr<LoadedNetwork> Load(const ModelConfig& config, const Weights& weights,
                                            WeightFormat format);

  const DeviceNetwork& view() const { return view_; }
  // Of device memory, whole blocks.
  int64_t bytes() const;
  // The input of step 0, in host memory: the start vector, or the sum of one row per condition;
  // zeros where the model has none.
  std::vector<float> StartVector(std::span<const int> condition_values) const;

 private:
  friend class NetworkLoader;
  LoadedNetwork() = default;

  DeviceNetwork view_;
  std::vector<DeviceBuffer<std::byte>> blocks_;
  std::vector<std::vector<float>> starts_;  // as StartVector says; none: it is never read
  size_t width_ = 0;                        // d_model
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_NETWORK_LOADER_H_
