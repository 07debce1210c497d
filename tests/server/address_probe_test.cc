#include "server/address_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/grpc_listener.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace strided {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr auto kFailed = absl::StatusCode::kFailedPrecondition;

// A server that listens on `address`, and on nothing else.
GrpcListener Listening(const std::string& address) {
  ListenSettings settings;
  settings.addresses = {address};
  absl::StatusOr<GrpcListener> listener = ListenGrpc(settings, {});
  EXPECT_OK(listener);
  return *std::move(listener);
}

TEST(AddressProbeTest, AFreeAddressCanBeListenedOn) {
  const TemporaryDirectory directory;
  EXPECT_OK(CheckCanListen("127.0.0.1:0"));
  EXPECT_OK(CheckCanListen("localhost:0"));
  EXPECT_OK(CheckCanListen("unix:" + directory.path() + "/socket"));
}

TEST(AddressProbeTest, APortInUseIsNamed) {
  const GrpcListener other = Listening("127.0.0.1:0");
  EXPECT_THAT(CheckCanListen(other.addresses.front()),
              StatusIs(kFailed,
                       "cannot listen on " + other.addresses.front() + ": Address already in use"));
}

TEST(AddressProbeTest, AHostThatIsNotHereIsNamed) {
  EXPECT_THAT(CheckCanListen("192.0.2.1:0"),
              StatusIs(kFailed, "cannot listen on 192.0.2.1:0: Cannot assign requested address"));
  EXPECT_THAT(CheckCanListen("[nonsense]:1"),
              StatusIs(kFailed, StartsWith("cannot listen on [nonsense]:1: ")));
}

TEST(AddressProbeTest, ASocketThatSomebodyListensOnIsNotTaken) {
  const TemporaryDirectory directory;
  const std::string address = "unix:" + directory.path() + "/socket";
  {
    const GrpcListener other = Listening(address);
    EXPECT_THAT(CheckCanListen(address), StatusIs(kFailed, HasSubstr("Address already in use")));
  }
  EXPECT_OK(CheckCanListen(address));
}

TEST(AddressProbeTest, AFileThatIsNoSocketIsNotReplaced) {
  const TemporaryDirectory directory;
  const std::string address = "unix:" + directory.Write("file", "precious");
  EXPECT_THAT(CheckCanListen(address), StatusIs(kFailed, HasSubstr("a file that is no socket")));
}

TEST(AddressProbeTest, ASocketNeedsAFolder) {
  EXPECT_THAT(
      CheckCanListen("unix:/nonexistent/socket"),
      StatusIs(kFailed, "cannot listen on unix:/nonexistent/socket: No such file or directory"));
}

}  // namespace
}  // namespace strided
