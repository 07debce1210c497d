// How long work takes on a device.

#ifndef STRIDED_ENGINE_CUDA_STREAM_TIMER_H_
#define STRIDED_ENGINE_CUDA_STREAM_TIMER_H_

#include <cuda_runtime_api.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "engine/base/status_macros.h"
#include "engine/cuda/kernels/cuda_status.h"
#include "engine/cuda/stream.h"

namespace strided::cuda {

// From Begin to End in the order of one stream. Move only; one thread at a time. Every error is
// Internal: the device has failed.
class StreamTimer {
 public:
  StreamTimer() = default;  // to be assigned to

  // Of the current device.
  static absl::StatusOr<StreamTimer> Create() {
    StreamTimer timer;
    ASSIGN_OR_RETURN(timer.begin_, CreateEvent(EventTimes::kKept));
    ASSIGN_OR_RETURN(timer.end_, CreateEvent(EventTimes::kKept));
    return timer;
  }

  absl::Status Begin(cudaStream_t stream) { return Record(begin_, stream); }
  absl::Status End(cudaStream_t stream) { return Record(end_, stream); }

  // Waits for the end. Requires Begin and End.
  absl::StatusOr<absl::Duration> Elapsed() const {
    RETURN_IF_ERROR(CudaError(cudaEventSynchronize(end_.get()), "waiting for an event"));
    float milliseconds = 0;
    RETURN_IF_ERROR(CudaError(cudaEventElapsedTime(&milliseconds, begin_.get(), end_.get()),
                              "asking for the time between events"));
    return absl::Milliseconds(milliseconds);
  }

 private:
  static absl::Status Record(const Event& event, cudaStream_t stream) {
    return CudaError(cudaEventRecord(event.get(), stream), "recording an event");
  }

  Event begin_;
  Event end_;
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_STREAM_TIMER_H_
