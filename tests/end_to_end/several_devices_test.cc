// One server on two GPUs: both take requests, and nobody can tell from the bytes which one did.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/cuda/cuda_executor.h"
#include "tests/end_to_end/running_server.h"

namespace strided {
namespace {

using ::testing::Each;
using ::testing::ElementsAreArray;
using ::testing::Gt;
using ::testing::SizeIs;

constexpr uint64_t kRequests = 32;
constexpr uint32_t kTokens = 400;

// What requests with the seeds 1, 2, ... are given, all sent at once.
std::vector<std::string> BytesBySeed(const RunningServer& server) {
  std::vector<std::future<Received>> calls;
  for (uint64_t seed = 1; seed <= kRequests; ++seed) {
    calls.push_back(std::async(std::launch::async, [&server, seed] {
      return Generate(*server.NewStub(), RequestFor(kTokens, seed, "The "));
    }));
  }
  std::vector<std::string> bytes;
  for (std::future<Received>& call : calls) {
    const Received received = call.get();
    EXPECT_TRUE(received.status.ok()) << received.status.error_message();
    bytes.push_back(received.raw);
  }
  return bytes;
}

double RequestsOn(const RunningServer& server, int device) {
  return server.Series(absl::StrCat("strided_device_requests_total{device=\"cuda:", device,
                                    R"(",model="text",version="1"})"));
}

TEST(SeveralDevicesTest, TwoGpusShareRequestsAndGiveTheBytesOfOne) {
  if (CudaDeviceCount() < 2) GTEST_SKIP() << "no CUDA device beside a first one";
  std::vector<std::string> of_one;
  {
    const RunningServer server({"--device=cuda:1"});
    ASSERT_TRUE(server.ready());
    of_one = BytesBySeed(server);
  }
  const RunningServer server({"--devices=cuda:0", "--devices=cuda:1"});
  ASSERT_TRUE(server.ready());
  const std::vector<std::string> of_two = BytesBySeed(server);
  EXPECT_THAT(of_one, Each(SizeIs(kTokens)));
  EXPECT_THAT(of_two, ElementsAreArray(of_one));
  EXPECT_THAT(RequestsOn(server, 0), Gt(0));
  EXPECT_THAT(RequestsOn(server, 1), Gt(0));
  EXPECT_EQ(RequestsOn(server, 0) + RequestsOn(server, 1), kRequests);
}

}  // namespace
}  // namespace strided
