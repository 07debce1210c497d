// What launches ask of the current device.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_CURRENT_DEVICE_H_
#define STRIDED_ENGINE_CUDA_KERNELS_CURRENT_DEVICE_H_

#include "absl/status/statusor.h"

namespace strided::cuda {

struct CurrentDevice {
  int multiprocessors = 0;
  int shared_bytes = 0;  // the most of one block
  // Whether products of warpgroups (warpgroup.cuh) run: 9.0, and code for its own features is
  // built. They may round differently, so all prefill products of a device are of one kind.
  bool has_warpgroups = false;

  // Internal where CUDA does not answer. A thread that stays on a device asks for it once.
  static absl::StatusOr<CurrentDevice> Find();
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_CURRENT_DEVICE_H_
