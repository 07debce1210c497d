// Waits of the cluster kernel and of the kernels of heads end, and say so.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "engine/cuda/cluster/cluster_kernel.h"
#include "engine/cuda/device_buffer.h"
#include "engine/cuda/grid/heads_kernel.h"
#include "tests/engine/cuda/cuda_test.h"
#include "tests/engine/cuda/device_array.h"
#include "tests/engine/cuda/vain_wait_kernel.h"
#include "tests/testing/status_matchers.h"

namespace strided::cuda::cluster {
namespace {

using testing::AllOf;
using testing::Ge;
using testing::HasSubstr;
using testing::Le;

TEST(StatusOfErrorWordTest, NoErrorIsOk) { EXPECT_OK(StatusOfErrorWord(0)); }

TEST(StatusOfErrorWordTest, NamesTheWarpThatHasWaitedInVain) {
  EXPECT_THAT(
      StatusOfErrorWord(ErrorWordOf(37, 11)),
      StatusIs(absl::StatusCode::kInternal, HasSubstr("warp 11 of block 37 has waited in vain")));
}

class BoundedWaitTest : public CudaTest {};

TEST_F(BoundedWaitTest, AKernelThatWaitsForWhatNeverComesEndsWithAnErrorWord) {
  constexpr int kWarps = 4;
  // Each wait for its own would take longer than any test may.
  constexpr int kWaits = 1'000'000;
  const DeviceBuffer<int32_t> error = ToDevice(std::vector<int32_t>{0});
  ASSERT_OK(LaunchVainWaits(kWarps, kWaits, error.data(), kDefaultStream));
  EXPECT_THAT(FromDevice(error)[0], AllOf(Ge(ErrorWordOf(0, 0)), Le(ErrorWordOf(0, kWarps - 1))));
}

}  // namespace
}  // namespace strided::cuda::cluster

namespace strided::cuda::grid {
namespace {

using testing::AllOf;
using testing::Ge;
using testing::HasSubstr;
using testing::Le;

TEST(GridStatusOfErrorWordTest, NamesTheWarpThatHasWaitedInVain) {
  EXPECT_OK(StatusOfErrorWord(0));
  EXPECT_THAT(
      StatusOfErrorWord(ErrorWordOf(131, 19)),
      StatusIs(absl::StatusCode::kInternal, HasSubstr("warp 19 of block 131 has waited in vain")));
}

class GridWaitTest : public CudaTest {};

TEST_F(GridWaitTest, AKernelThatLooksForWhatNeverComesEndsWithAnErrorWord) {
  constexpr int kWarps = 4;
  // Each wait for its own would take longer than any test may.
  constexpr int kWaits = 1'000'000;
  const DeviceBuffer<int32_t> error = ToDevice(std::vector<int32_t>{0});
  ASSERT_OK(LaunchVainLooks(kWarps, kWaits, error.data(), kDefaultStream));
  EXPECT_THAT(FromDevice(error)[0], AllOf(Ge(ErrorWordOf(0, 0)), Le(ErrorWordOf(0, kWarps - 1))));
}

}  // namespace
}  // namespace strided::cuda::grid
