#include "server/service/score_parser.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/error_detail.h"
#include "engine/base/status_macros.h"
#include "tests/server/service/fake_model.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using ::testing::ElementsAre;

absl::StatusOr<Job> Parse(const std::string& text) {
  v1::ScoreRequest request;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &request)) << text;
  ASSIGN_OR_RETURN(ScoreCall call, ParseScore(request, *MakeFakeModel(TextConfig()).served,
                                              Arrival{.time = {}, .request_id = "made"}));
  return std::move(call.job);
}

TEST(ScoreParserTest, EveryFieldReachesTheJob) {
  ASSERT_OK_AND_ASSIGN(const Job job, Parse(R"(
      request_id: "mine" sequence { raw: "abc" } conditions { key: "mood" value: 1 }
      score_from: 2 top_logprobs: 3)"));
  EXPECT_EQ(job.kind, JobKind::kScore);
  EXPECT_EQ(job.request_id, "mine");
  EXPECT_THAT(job.prompt, ElementsAre('a', 'b', 'c'));
  EXPECT_THAT(job.condition_values, ElementsAre(1));
  EXPECT_EQ(job.score_from, 2);
  EXPECT_EQ(job.top_logprobs, 3);
}

TEST(ScoreParserTest, WithoutOptionsTheTokensOwnProbabilitiesAreAskedFor) {
  ASSERT_OK_AND_ASSIGN(const Job job, Parse("sequence { raw: 'a' }"));
  EXPECT_EQ(job.request_id, "made");
  EXPECT_EQ(job.score_from, 0);
  EXPECT_EQ(job.top_logprobs, 0);
}

TEST(ScoreParserTest, EveryFieldIsNamedWithValueAndLimit) {
  struct BadRequest {
    std::string request;
    std::string field;
    std::string text;
  };
  const std::vector<BadRequest> table = {
      {"", "sequence", "sequence has 0 tokens; at least 1 is scored"},
      {"sequence { ids {} }", "sequence", "sequence has 0 tokens; at least 1 is scored"},
      {"sequence { ids { ids: 300 } }", "sequence.ids.ids[0]",
       "sequence.ids.ids[0] is 300; it must lie in [0, 255]"},
      {absl::StrCat("sequence { raw: '", std::string(65, 'x'), "' }"), "sequence.raw",
       "sequence.raw has 65 tokens; the model takes at most 64"},
      {"sequence { raw: 'abc' } score_from: 3", "score_from",
       "score_from is 3; it must lie in [0, 2], the positions of the sequence"},
      {"sequence { raw: 'abc' } score_from: 18446744073709551615", "score_from",
       "score_from is 18446744073709551615; it must lie in [0, 2], the positions of the sequence"},
      {"sequence { raw: 'abc' } top_logprobs: 33", "top_logprobs",
       "top_logprobs is 33; it must lie in [0, 32]"},
      {"sequence { raw: 'abc' } conditions { key: 'mood' value: 9 }", R"(conditions["mood"])",
       R"(conditions["mood"] is 9; it must lie in [0, 2])"},
      {R"(sequence { raw: 'abc' } request_id: "\001")", "request_id",
       R"(request_id is "\x01" with byte 1 at 0; it must be printable ASCII)"},
  };
  for (const BadRequest& bad : table) {
    SCOPED_TRACE(bad.request);
    const absl::Status status = Parse(bad.request).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(FieldOf(status).value_or("none"), bad.field);
    EXPECT_EQ(status.message(), bad.text);
  }
}

TEST(ScoreParserTest, ASequenceThatNeverFitsTheDeviceIsRefusedInBytes) {
  const FakeModel model = MakeFakeModel(TextConfig());
  model.executor->SetCacheCapacity(int64_t{8} * 2);
  v1::ScoreRequest request;
  request.mutable_sequence()->set_raw("abc");
  EXPECT_THAT(ParseScore(request, *model.served, {}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "sequence needs 24 bytes of cache for 3 tokens; the device has 16"));
}

}  // namespace
}  // namespace strided
