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

// A graph that can be launched, destroyed with its handle, after its launches are done.
struct GraphDeleter {
  void operator()(cudaGraphExec_t graph) const { cudaGraphExecDestroy(graph); }
};
using Graph = std::unique_ptr<std::remove_pointer_t<cudaGraphExec_t>, GraphDeleter>;

// A stream of the current device that does not wait for the default stream. Internal, with CUDA's
// text, where the device fails.
absl::StatusOr<Stream> CreateStream();

// What `enqueue` enqueues on `stream`, which is not run, as a graph that can be launched many
// times. Returns the errors of `enqueue` and of the capture.
absl::StatusOr<Graph> Capture(cudaStream_t stream, absl::FunctionRef<absl::Status()> enqueue);

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_STREAM_H_
