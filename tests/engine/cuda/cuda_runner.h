// The CUDA executor in tests.

#ifndef STRIDED_TESTS_ENGINE_CUDA_CUDA_RUNNER_H_
#define STRIDED_TESTS_ENGINE_CUDA_CUDA_RUNNER_H_

#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "engine/cuda/cuda_executor.h"
#include "tests/testing/sequence_runner.h"

namespace strided {

// Small enough that a test's many executors fit beside each other.
inline CudaOptions TestOptions(WeightFormat format, CacheFormat caches = CacheFormat::kAuto) {
  CudaOptions options;
  options.weight_format = format;
  options.cache_format = caches;
  options.max_rows = 512;
  options.cache_capacity_bytes = int64_t{64} << 20;
  return options;
}

inline std::unique_ptr<CudaExecutor> MakeCudaExecutor(const ModelConfig& config,
                                                      const Weights& weights,
                                                      const CudaOptions& options) {
  absl::StatusOr<std::unique_ptr<CudaExecutor>> executor =
      CreateCudaExecutor(config, weights, options);
  EXPECT_TRUE(executor.ok()) << executor.status();
  return *std::move(executor);
}

}  // namespace strided

#endif  // STRIDED_TESTS_ENGINE_CUDA_CUDA_RUNNER_H_
