#include "server/health_service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace strided {
namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;
using ::testing::AllOf;
using ::testing::HasSubstr;

HealthCheckRequest RequestFor(const std::string& service) {
  HealthCheckRequest request;
  request.set_service(service);
  return request;
}

// A server with nothing but health on it, which knows the service "a".
struct Fixture {
  Fixture() {
    grpc::ServerBuilder builder;
    builder.RegisterService(&health);
    server = builder.BuildAndStart();
    stub = Health::NewStub(server->InProcessChannel({}));
  }

  grpc::Status Check(const std::string& service, HealthCheckResponse& response) {
    grpc::ClientContext context;
    return stub->Check(&context, RequestFor(service), &response);
  }

  HealthService health{{"a"}};
  std::unique_ptr<grpc::Server> server;
  std::unique_ptr<Health::Stub> stub;
};

// The next status of a watch, or UNKNOWN where it has ended.
HealthCheckResponse::ServingStatus Next(grpc::ClientReader<HealthCheckResponse>& watch) {
  HealthCheckResponse response;
  return watch.Read(&response) ? response.status() : HealthCheckResponse::UNKNOWN;
}

TEST(HealthServiceTest, NothingIsServingUntilTold) {
  Fixture fixture;
  for (const char* service : {"", "a"}) {
    HealthCheckResponse response;
    ASSERT_TRUE(fixture.Check(service, response).ok());
    EXPECT_EQ(response.status(), HealthCheckResponse::NOT_SERVING);
  }
  fixture.health.SetServing(true);
  for (const char* service : {"", "a"}) {
    HealthCheckResponse response;
    ASSERT_TRUE(fixture.Check(service, response).ok());
    EXPECT_EQ(response.status(), HealthCheckResponse::SERVING);
  }
}

TEST(HealthServiceTest, AnUnknownServiceIsNotFound) {
  Fixture fixture;
  HealthCheckResponse response;
  const grpc::Status status = fixture.Check("b", response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "no service \"b\" is served");
  EXPECT_THAT(fixture.Check("a\n" + std::string(1 << 20, 'a'), response).error_message(),
              AllOf(HasSubstr("\"a\\naaa"), HasSubstr("aaa...\"")));
}

TEST(HealthServiceTest, AWatchSeesTheStatusAndItsChanges) {
  Fixture fixture;
  grpc::ClientContext context;
  const auto watch = fixture.stub->Watch(&context, RequestFor("a"));
  EXPECT_EQ(Next(*watch), HealthCheckResponse::NOT_SERVING);
  fixture.health.SetServing(true);
  EXPECT_EQ(Next(*watch), HealthCheckResponse::SERVING);
  fixture.health.SetServing(true);  // no change
  fixture.health.SetServing(false);
  EXPECT_EQ(Next(*watch), HealthCheckResponse::NOT_SERVING);
  context.TryCancel();
  EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST(HealthServiceTest, AWatchOfAnUnknownServiceStays) {
  Fixture fixture;
  grpc::ClientContext context;
  const auto watch = fixture.stub->Watch(&context, RequestFor("b"));
  EXPECT_EQ(Next(*watch), HealthCheckResponse::SERVICE_UNKNOWN);
  fixture.health.EndWatches();
  EXPECT_EQ(Next(*watch), HealthCheckResponse::UNKNOWN);
  EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST(HealthServiceTest, WatchesDoNotHoldAShutdownUp) {
  Fixture fixture;
  grpc::ClientContext context;
  const auto watch = fixture.stub->Watch(&context, RequestFor(""));
  EXPECT_EQ(Next(*watch), HealthCheckResponse::NOT_SERVING);
  fixture.health.EndWatches();
  fixture.server->Shutdown();  // without a deadline: returns when every call is over
  EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST(HealthServiceTest, AWatcherThatIsGoneIsForgotten) {
  Fixture fixture;
  {
    grpc::ClientContext context;
    const auto watch = fixture.stub->Watch(&context, RequestFor("a"));
    EXPECT_EQ(Next(*watch), HealthCheckResponse::NOT_SERVING);
    context.TryCancel();
    watch->Finish();
  }
  fixture.health.SetServing(true);
  fixture.server->Shutdown();
}

}  // namespace
}  // namespace strided
