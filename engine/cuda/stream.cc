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

absl::StatusOr<Stream> CreateStream(StreamPriority priority) {
  int least = 0;
  int greatest = 0;
  RETURN_IF_ERROR(CudaError(cudaDeviceGetStreamPriorityRange(&least, &greatest),
                            "asking for the priorities of streams"));
  cudaStream_t stream = nullptr;
  RETURN_IF_ERROR(
      CudaError(cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking,
                                             priority == StreamPriority::kHigh ? greatest : least),
                "creating a stream"));
  return Stream(stream);
}

absl::StatusOr<Event> CreateEvent(EventTimes times) {
  cudaEvent_t event = nullptr;
  const unsigned flags = times == EventTimes::kKept ? cudaEventDefault : cudaEventDisableTiming;
  RETURN_IF_ERROR(CudaError(cudaEventCreateWithFlags(&event, flags), "making an event"));
  return Event(event);
}

absl::Status LetFollow(cudaStream_t follower, cudaStream_t leader, const Event& event) {
  RETURN_IF_ERROR(CudaError(cudaEventRecord(event.get(), leader), "recording an event"));
  return CudaError(cudaStreamWaitEvent(follower, event.get()), "waiting for a stream");
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
