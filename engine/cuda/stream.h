// CUDA's handles, owned.

#ifndef STRIDED_ENGINE_CUDA_STREAM_H_
#define STRIDED_ENGINE_CUDA_STREAM_H_

#include <cuda_runtime_api.h>

#include <memory>
#include <type_traits>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace strided::cuda {

// A stream, destroyed with its handle. Work that it still has is finished by the device all the
// same, so what that work uses must live until it is done.
struct StreamDeleter {
  void operator()(cudaStream_t stream) const { cudaStreamDestroy(stream); }
};
using Stream = std::unique_ptr<std::remove_pointer_t<cudaStream_t>, StreamDeleter>;

// A point in a stream's work, destroyed with its handle.
struct EventDeleter {
  void operator()(cudaEvent_t event) const { cudaEventDestroy(event); }
};
using Event = std::unique_ptr<std::remove_pointer_t<cudaEvent_t>, EventDeleter>;

// A graph that can be launched, destroyed with its handle, after its launches are done.
struct GraphDeleter {
  void operator()(cudaGraphExec_t graph) const { cudaGraphExecDestroy(graph); }
};
using Graph = std::unique_ptr<std::remove_pointer_t<cudaGraphExec_t>, GraphDeleter>;

// Whose blocks start first where several streams have some that wait.
enum class StreamPriority { kNormal, kHigh };

// A stream of the current device that does not wait for the default stream. Internal, with CUDA's
// text, where the device fails.
absl::StatusOr<Stream> CreateStream(StreamPriority priority = StreamPriority::kNormal);

// An event of the current device, with times (StreamTimer) or, cheaper, without. Errors as above.
enum class EventTimes { kNone, kKept };
absl::StatusOr<Event> CreateEvent(EventTimes times = EventTimes::kNone);

// Has what comes to `follower` from now on wait for what `leader` has so far; `event` marks the
// place. Errors as above.
absl::Status LetFollow(cudaStream_t follower, cudaStream_t leader, const Event& event);

// What `enqueue` enqueues on `stream`, which is not run, as a graph that can be launched many
// times. Returns the errors of `enqueue` and of the capture.
absl::StatusOr<Graph> Capture(cudaStream_t stream, absl::FunctionRef<absl::Status()> enqueue);

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_STREAM_H_
