#include "engine/cuda/kernels/device_block.cuh"
#include "engine/cuda/kernels/launch.h"
#include "engine/cuda/kernels/row_step.cuh"
#include "engine/cuda/kernels/sample.h"

namespace strided::cuda {
namespace {

constexpr int kMostThreads = 1024;
// Adjusted logits lie in shared memory up to this vocabulary, else in the scratch.
constexpr int kLargestShared = 4096;

// One thread a token until a block is full. Of the vocabulary alone: a row's time and bits are the
// same in every batch.
int ThreadsOf(int vocab_size) {
  int threads = DeviceBlock::kLanes;
  while (threads < vocab_size && threads < kMostThreads) threads *= 2;
  return threads;
}

__global__ void __launch_bounds__(kMostThreads) SampleRows(SampleArguments arguments) {
  __shared__ DeviceBlock::Shared shared;
  extern __shared__ float shared_values[];
  const int r = static_cast<int>(blockIdx.x);
  const int vocab_size = arguments.vocab_size;
  // The logits alone are the kernel before's: rows and samplers are there.
  const DecodeRow row = arguments.rows_state[r];
  const bool busy = row.slot >= 0;
  const DrawStart start =
      busy ? StartOf(arguments.sequences[row.slot].sampler, row.position) : DrawStart();
  WaitForGridBefore();
  LetNextGridStart();
  if (!busy) return;
  const int64_t entry = static_cast<int64_t>(row.step) * arguments.max_rows + r;
  RowResult result;
  if (row.output != kWantsNothing) {
    const DeviceSampler& parameters = arguments.sequences[row.slot].sampler;
    const int64_t first = static_cast<int64_t>(r) * vocab_size;
    float* const values = vocab_size <= kLargestShared
                              ? shared_values
                              : reinterpret_cast<float*>(arguments.scratch) + first;
    DeviceBlock block(shared);
    RowSampler sampler(block, arguments.logits + first, vocab_size, values);
    result = ResultOf(sampler, TokenOf(sampler, row, parameters, start));
    const int count = parameters.top_logprobs;
    if (count > 0 && arguments.top_stride > 0) {
      const int64_t first_top = entry * arguments.top_stride;
      sampler.ReportTop(count, arguments.top_ids + first_top, arguments.top_values + first_top);
    }
  }
  __syncthreads();  // every thread has read its row
  if (threadIdx.x != 0) return;
  arguments.results[entry] = result;
  arguments.rows_state[r] = Next(row, result.token);
}

}  // namespace

int64_t SampleScratchBytes(int rows, int vocab_size) {
  if (vocab_size <= kLargestShared) return 0;
  return static_cast<int64_t>(rows) * vocab_size * static_cast<int64_t>(sizeof(float));
}

absl::Status LaunchSample(const SampleArguments& arguments, bool dependent, cudaStream_t stream) {
  if (arguments.rows == 0) return absl::OkStatus();
  LaunchShape shape;
  shape.grid = dim3(static_cast<unsigned>(arguments.rows));
  shape.block = dim3(static_cast<unsigned>(ThreadsOf(arguments.vocab_size)));
  if (arguments.vocab_size <= kLargestShared) {
    shape.shared_bytes = static_cast<size_t>(arguments.vocab_size) * sizeof(float);
  }
  shape.dependent = dependent;
  return Launch("sample", SampleRows, shape, stream, arguments);
}

}  // namespace strided::cuda
