// The calls that are not streams of tokens.

#include "client/cpp/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/cpp/error_details.h"
#include "tests/client/cpp/rich_status.h"
#include "tests/client/cpp/scripted_server.h"
#include "tests/client/cpp/self_signed.h"
#include "tests/testing/status_matchers.h"

namespace strided::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const RetryPolicy kQuick = {
    .tries = 2, .first_wait = absl::Milliseconds(1), .longest_wait = absl::Milliseconds(2)};

Client ClientOf(const ScriptedServer& server, const std::string& token = "") {
  auto client = Client::Connect({.address = server.address(), .token = token});
  EXPECT_OK(client);
  return *client;
}

// Scores of -1 for every position, two positions per message.
grpc::Status ScoreMinusOne(const v1::ScoreRequest& request, Script::ScoreWriter* writer) {
  const uint64_t length = request.sequence().raw().size();
  for (uint64_t first = request.score_from(); first < length; first += 2) {
    v1::ScoreResponse message;
    message.set_first_position(first);
    for (uint64_t i = first; i < std::min(length, first + 2); ++i) {
      message.mutable_log_probs()->add_chosen(-1);
    }
    if (first + 2 >= length) {
      message.set_total_log_prob(-static_cast<double>(length - request.score_from()));
      message.set_bits_per_token(1.442695);
    }
    writer->Write(message);
  }
  return grpc::Status::OK;
}

v1::ScoreRequest ScoreOf(const std::string& raw, uint64_t score_from = 0) {
  v1::ScoreRequest request;
  request.mutable_sequence()->set_raw(raw);
  request.set_score_from(score_from);
  return request;
}

TEST(ClientTest, ScoresAreJoinedFromTheirMessages) {
  const ScriptedServer server({.score = [](const auto& request, int, auto* writer) {
    return ScoreMinusOne(request, writer);
  }});
  ASSERT_OK_AND_ASSIGN(const Scores scores, ClientOf(server).Score(ScoreOf("abcdefg", 2)));
  EXPECT_EQ(scores.first_position, 2U);
  EXPECT_THAT(scores.log_probs.chosen(), ElementsAre(-1, -1, -1, -1, -1));
  EXPECT_EQ(scores.total_log_prob, -5);
  EXPECT_EQ(scores.bits_per_token, 1.442695);
}

TEST(ClientTest, AScoreThatMaySucceedLaterIsTriedAgain) {
  const ScriptedServer server({.score = [](const auto& request, int call, auto* writer) {
    if (call < 2) return RichStatus(grpc::StatusCode::UNAVAILABLE, "full").RetryIn(1).Build();
    return ScoreMinusOne(request, writer);
  }});
  EXPECT_OK(ClientOf(server).Score(ScoreOf("ab"), {.retry = kQuick}));
}

TEST(ClientTest, AScoreThatNeverSucceedsEndsWithTheLastError) {
  const ScriptedServer server({.score = [](const auto&, int, auto*) {
    return RichStatus(grpc::StatusCode::UNAVAILABLE, "full").Reason("QUEUE_FULL").Build();
  }});
  const auto scores = ClientOf(server).Score(ScoreOf("ab"), {.retry = kQuick});
  EXPECT_THAT(scores, StatusIs(absl::StatusCode::kUnavailable, "full"));
  EXPECT_EQ(DetailsOf(scores.status()).reason, "QUEUE_FULL");
}

TEST(ClientTest, ScoresWithAGapAreDataLoss) {
  const ScriptedServer server({.score = [](const auto&, int, auto* writer) {
    v1::ScoreResponse message;
    message.mutable_log_probs()->add_chosen(-1);
    writer->Write(message);
    message.set_first_position(5);
    writer->Write(message);
    return grpc::Status::OK;
  }});
  EXPECT_THAT(ClientOf(server).Score(ScoreOf("abcdef")),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("expected 1")));
}

TEST(ClientTest, ScoresWithoutATotalAreAnError) {
  const ScriptedServer server({.score = [](const auto&, int, auto*) { return grpc::Status::OK; }});
  EXPECT_THAT(ClientOf(server).Score(ScoreOf("ab")),
              StatusIs(absl::StatusCode::kInternal, HasSubstr("without their total")));
}

TEST(ClientTest, AllPagesOfModelsAreRead) {
  const ScriptedServer server({.models = {TextModel("a", 1), TextModel("b", 2), TextModel("c", 3),
                                          TextModel("d", 4), TextModel("e", 5)},
                               .models_per_page = 2});
  ASSERT_OK_AND_ASSIGN(const std::vector<v1::Model> models, ClientOf(server).ListModels());
  ASSERT_EQ(models.size(), 5U);
  EXPECT_EQ(models[4].name(), "e");
}

TEST(ClientTest, AModelIsFoundByItsName) {
  const ScriptedServer server({.models = {TextModel("a", 1), TextModel("b", 2)}});
  ASSERT_OK_AND_ASSIGN(const v1::Model model, ClientOf(server).GetModel("b"));
  EXPECT_EQ(model.context_length(), 2U);
  EXPECT_THAT(ClientOf(server).GetModel("z"),
              StatusIs(absl::StatusCode::kNotFound, "no model \"z\""));
}

TEST(ClientTest, HealthIsWhatTheServerSays) {
  ScriptedServer server({});
  const Client client = ClientOf(server);
  ASSERT_OK_AND_ASSIGN(const Health serving, client.CheckHealth());
  EXPECT_EQ(serving, Health::kServing);
  server.SetServing(false);
  ASSERT_OK_AND_ASSIGN(const Health not_serving, client.CheckHealth());
  EXPECT_EQ(not_serving, Health::kNotServing);
  ASSERT_OK_AND_ASSIGN(const Health unknown, client.CheckHealth("no.such.Service"));
  EXPECT_EQ(unknown, Health::kServiceUnknown);
}

TEST(ClientTest, TheTokenGoesWithEveryCall) {
  const ScriptedServer server({});
  EXPECT_OK(ClientOf(server, "secret").ListModels());
  EXPECT_EQ(server.last_authorization(), "Bearer secret");
  EXPECT_THAT(ClientOf(server, "other").Score(ScoreOf("a")),
              StatusIs(absl::StatusCode::kUnimplemented));
  EXPECT_EQ(server.last_authorization(), "Bearer other");
  EXPECT_OK(ClientOf(server).ListModels());
  EXPECT_THAT(server.last_authorization(), IsEmpty());
}

TEST(ClientTest, TlsTrustsTheGivenRootsAndNoOthers) {
  const SelfSigned ours = MakeSelfSigned();
  grpc::SslServerCredentialsOptions tls;
  tls.pem_key_cert_pairs.push_back({ours.key, ours.certificate});
  const ScriptedServer server({.credentials = grpc::SslServerCredentials(tls)});
  ASSERT_OK_AND_ASSIGN(const Client trusting, Client::Connect({.address = server.address(),
                                                               .tls_roots = ours.certificate,
                                                               .token = "secret"}));
  EXPECT_OK(trusting.ListModels());
  EXPECT_EQ(server.last_authorization(), "Bearer secret");
  ASSERT_OK_AND_ASSIGN(
      const Client other,
      Client::Connect({.address = server.address(), .tls_roots = MakeSelfSigned().certificate}));
  EXPECT_THAT(other.ListModels(), StatusIs(absl::StatusCode::kUnavailable));
}

TEST(ClientTest, ACancelledCallSaysSo) {
  const ScriptedServer server({});
  Cancellation cancellation;
  cancellation.Cancel();
  EXPECT_THAT(ClientOf(server).ListModels({.cancellation = &cancellation}),
              StatusIs(absl::StatusCode::kCancelled));
}

TEST(ClientTest, NoServerIsUnavailable) {
  // Nothing listens on port 1 of loopback.
  ASSERT_OK_AND_ASSIGN(const Client client, Client::Connect({.address = "127.0.0.1:1"}));
  EXPECT_THAT(client.ListModels(), StatusIs(absl::StatusCode::kUnavailable));
}

}  // namespace
}  // namespace strided::client
