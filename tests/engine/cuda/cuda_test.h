// For tests that need a device.

#ifndef STRIDED_TESTS_ENGINE_CUDA_CUDA_TEST_H_
#define STRIDED_TESTS_ENGINE_CUDA_CUDA_TEST_H_

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

namespace strided::cuda {

inline bool HasCudaDevice() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess && count > 0;
}

// Skips each test, visibly to ctest too, where there is no device.
class CudaTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!HasCudaDevice()) GTEST_SKIP() << "no CUDA device";
  }
};

}  // namespace strided::cuda

#endif  // STRIDED_TESTS_ENGINE_CUDA_CUDA_TEST_H_
