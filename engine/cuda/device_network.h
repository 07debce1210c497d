// A model's weights as the device reads them: pointers into device memory, owned elsewhere.

#ifndef STRIDED_ENGINE_CUDA_DEVICE_NETWORK_H_
#define STRIDED_ENGINE_CUDA_DEVICE_NETWORK_H_

#include <vector>

#include "engine/cuda/kernels/device_types.h"
#include "engine/cuda/kernels/head_rows.h"
#include "engine/model/weight_format.h"

namespace strided::cuda {

// Section 5.2's network. A plain view: cheap to copy, immutable while kernels read it. Matrices are
// packed in `format` (kernels/weight_packing.h); tables, norms, biases and scales are float32.
// LoadedNetwork owns what it points to.
struct DeviceNetwork {
  WeightFormat format = WeightFormat::kBfloat16;  // of every matrix
  DeviceTables tables;
  std::vector<DeviceLayer> layers;      // in host memory, [n_layer]
  DeviceNorm final_norm;                // weight null: the model has none
  DeviceMatrix head;                    // logits: outputs vocab_size
  const HeadRows* head_rows = nullptr;  // [n_layer][n_head]
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_DEVICE_NETWORK_H_
