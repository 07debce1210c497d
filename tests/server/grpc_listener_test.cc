#include "server/grpc_listener.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "server/health_service.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace strided {
namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;
using ::testing::HasSubstr;

absl::StatusOr<GrpcListener> Listen(HealthService& health, std::vector<std::string> addresses,
                                    int64_t max_receive_bytes = 16 << 20) {
  ListenSettings settings;
  settings.addresses = std::move(addresses);
  settings.max_receive_bytes = max_receive_bytes;
  return ListenGrpc(settings, {&health});
}

grpc::Status Check(const std::string& address, const std::string& service = "",
                   const std::string& metadata = "") {
  const auto stub =
      Health::NewStub(grpc::CreateChannel(address, grpc::InsecureChannelCredentials()));
  grpc::ClientContext context;
  context.set_wait_for_ready(true);
  if (!metadata.empty()) context.AddMetadata("padding", metadata);
  HealthCheckRequest request;
  request.set_service(service);
  HealthCheckResponse response;
  return stub->Check(&context, request, &response);
}

TEST(GrpcListenerTest, EveryAddressIsServed) {
  const TemporaryDirectory directory;
  HealthService health({});
  const std::string socket = "unix:" + directory.path() + "/socket";
  ASSERT_OK_AND_ASSIGN(const GrpcListener listener,
                       Listen(health, {"127.0.0.1:0", socket, "127.0.0.1:0"}));
  ASSERT_EQ(listener.addresses.size(), 3u);
  EXPECT_NE(listener.addresses[0], "127.0.0.1:0");
  EXPECT_EQ(listener.addresses[1], socket);
  for (const std::string& address : listener.addresses) EXPECT_TRUE(Check(address).ok()) << address;
}

TEST(GrpcListenerTest, TwoServersDoNotShareAPort) {
  HealthService first_health({});
  HealthService second_health({});
  ASSERT_OK_AND_ASSIGN(const GrpcListener first, Listen(first_health, {"127.0.0.1:0"}));
  EXPECT_THAT(Listen(second_health, {"127.0.0.1:0", first.addresses[0]}),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr(first.addresses[0] + ": Address already in use")));
}

TEST(GrpcListenerTest, OneAddressTwiceIsAnError) {
  HealthService health({});
  HealthService other_health({});
  ASSERT_OK_AND_ASSIGN(GrpcListener other, Listen(other_health, {"127.0.0.1:0"}));
  const std::string address = other.addresses[0];
  other.server->Shutdown();
  other.server.reset();
  EXPECT_THAT(Listen(health, {address, address}),
              StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(address)));
}

TEST(GrpcListenerTest, AMessageBeyondTheLimitIsRefused) {
  HealthService health({});
  ASSERT_OK_AND_ASSIGN(const GrpcListener listener, Listen(health, {"127.0.0.1:0"}, 4096));
  EXPECT_EQ(Check(listener.addresses[0], std::string(5000, 'x')).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST(GrpcListenerTest, MetadataBeyondTheLimitIsRefused) {
  HealthService health({});
  ASSERT_OK_AND_ASSIGN(const GrpcListener listener, Listen(health, {"127.0.0.1:0"}));
  EXPECT_TRUE(Check(listener.addresses[0], "", std::string(8 << 10, 'x')).ok());
  EXPECT_EQ(Check(listener.addresses[0], "", std::string(24 << 10, 'x')).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
}

}  // namespace
}  // namespace strided
