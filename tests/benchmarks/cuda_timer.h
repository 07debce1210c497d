// Times of work on a GPU, by its own clock.

#ifndef STRIDED_TESTS_BENCHMARKS_CUDA_TIMER_H_
#define STRIDED_TESTS_BENCHMARKS_CUDA_TIMER_H_

#include <cuda_runtime_api.h>

#include <algorithm>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "engine/cuda/kernels/cuda_status.h"
#include "tests/benchmarks/require.h"

namespace strided::cuda {

using strided::Require;
inline void Require(cudaError_t error) { Require(CudaError(error, "benchmark")); }

// The median over `times` of what `enqueue` puts on `stream` `repeats` times in a row, in
// microseconds for each; warm.
inline double MedianMicroseconds(cudaStream_t stream, int times, int repeats,
                                 absl::FunctionRef<absl::Status()> enqueue) {
  cudaEvent_t begin = nullptr;
  cudaEvent_t end = nullptr;
  Require(cudaEventCreate(&begin));
  Require(cudaEventCreate(&end));
  std::vector<double> microseconds;
  for (int i = -2; i < times; ++i) {
    Require(cudaEventRecord(begin, stream));
    for (int r = 0; r < repeats; ++r) Require(enqueue());
    Require(cudaEventRecord(end, stream));
    Require(cudaEventSynchronize(end));
    float milliseconds = 0;
    Require(cudaEventElapsedTime(&milliseconds, begin, end));
    if (i >= 0) microseconds.push_back(milliseconds * 1e3 / repeats);
  }
  Require(cudaEventDestroy(begin));
  Require(cudaEventDestroy(end));
  std::nth_element(microseconds.begin(), microseconds.begin() + times / 2, microseconds.end());
  return microseconds[static_cast<size_t>(times / 2)];
}

}  // namespace strided::cuda

#endif  // STRIDED_TESTS_BENCHMARKS_CUDA_TIMER_H_
