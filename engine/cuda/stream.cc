#include "engine/cuda/stream.h"

#include "engine/base/status_macros.h"
#include "engine/cuda/kernels/cuda_status.h"

namespace strided::cuda {
namespace {

struct TemplateDeleter {
  void operator()(cudaGraph_t graph) const { cudaGraphDestroy(graph); }
};
using GraphTemplate = std::unique_ptr<std::remove_pointer_t<cudaGraph_t>, TemplateDeleter>;

}  // namespace

absl::StatusOr<Stream> CreateStream() {
  cudaStream_t stream = nullptr;
  RETURN_IF_ERROR(
      CudaError(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "creating a stream"));
  return Stream(stream);
}

absl::StatusOr<Graph> Capture(cudaStream_t stream, absl::FunctionRef<absl::Status()> enqueue) {
  RETURN_IF_ERROR(CudaError(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal),
                            "beginning a capture"));
  const absl::Status enqueued = enqueue();
  cudaGraph_t captured = nullptr;
  const cudaError_t ended = cudaStreamEndCapture(stream, &captured);
  const GraphTemplate graph(captured);
  RETURN_IF_ERROR(enqueued);
  RETURN_IF_ERROR(CudaError(ended, "ending a capture"));
  cudaGraphExec_t executable = nullptr;
  RETURN_IF_ERROR(
      CudaError(cudaGraphInstantiate(&executable, graph.get(), 0), "instantiating a graph"));
  return Graph(executable);
}

}  // namespace strided::cuda
