// Requests that nobody would write: each is answered, and none does harm.

#include "tests/server/service/random_request.h"

#include <gtest/gtest.h>

#include <random>

#include "tests/server/service/request_claims.h"
#include "tests/server/service/test_server.h"

namespace strided {
namespace {

constexpr char kPlainRequest[] =
    "prompt { raw: 'ab' } sampling { seed: 1 max_new_tokens: 4 stop_sequences: 'x' } "
    "resume { model_fingerprint: 'fingerprint of fake' }";

TEST(RandomRequestTest, EveryGenerateRequestIsParsedOrNamesItsField) {
  std::mt19937 random(1);  // NOLINT: the same requests on every machine
  v1::GenerateRequest request;
  for (int i = 0; i < 50'000; ++i) {
    if (i % 16 == 0) request = GenerateRequestOf(kPlainRequest);
    MutateField(request, random);
    ASSERT_EQ(BrokenClaim(request), "") << request.ShortDebugString();
  }
}

TEST(RandomRequestTest, EveryScoreRequestIsParsedOrNamesItsField) {
  std::mt19937 random(2);  // NOLINT: as above
  v1::ScoreRequest request;
  for (int i = 0; i < 20'000; ++i) {
    if (i % 8 == 0) request.Clear();
    MutateField(request, random);
    ASSERT_EQ(BrokenClaim(request), "") << request.ShortDebugString();
  }
}

TEST(RandomRequestTest, AServerAnswersThemAllAndGoesOn) {
  TestServer server;
  std::mt19937 random(3);  // NOLINT: as above
  int served = 0;
  int refused = 0;
  v1::GenerateRequest request;
  for (int i = 0; i < 400; ++i) {
    if (i % 8 == 0) request = GenerateRequestOf(kPlainRequest);
    MutateField(request, random);
    const ReceivedStream stream = Generate(server, request);
    const grpc::StatusCode code = stream.status.error_code();
    EXPECT_TRUE(code == grpc::StatusCode::OK || code == grpc::StatusCode::INVALID_ARGUMENT ||
                code == grpc::StatusCode::FAILED_PRECONDITION ||
                code == grpc::StatusCode::NOT_FOUND)
        << stream.status.error_message() << "\n"
        << request.ShortDebugString();
    ++(code == grpc::StatusCode::OK ? served : refused);
  }
  EXPECT_GT(served, 20);
  EXPECT_GT(refused, 20);
  EXPECT_TRUE(Generate(server, GenerateRequestOf("")).status.ok());
}

}  // namespace
}  // namespace strided
