// What models with a tokenizer, and models without a start vector, take and give.

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/error_detail.h"
#include "engine/base/status_macros.h"
#include "server/service/generate_encoder.h"
#include "server/service/generate_parser.h"
#include "server/service/score_encoder.h"
#include "server/service/score_parser.h"
#include "tests/server/service/fake_model.h"
#include "tests/testing/small_tokenizer.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

// 300 tokens, a context of 64, a start token 299, and no start vector.
ModelConfig TokenConfig() {
  ModelConfig config = TextConfig();
  config.conditions.clear();
  config.vocab_size = kSmallTokenizerVocab;
  config.has_start_vector = false;
  config.start_token = 299;
  return config;
}

FakeModel TokenModel(const ModelConfig& config = TokenConfig()) {
  return MakeFakeModel(config, {.tokenizer = SmallTokenizer().dump()});
}

template <typename Message>
Message FromText(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

absl::StatusOr<GenerateCall> Parse(const std::string& text,
                                   const ModelConfig& config = TokenConfig()) {
  return ParseGenerate(FromText<v1::GenerateRequest>(text), *TokenModel(config).served, {});
}

absl::StatusOr<ScoreCall> ParseScored(const std::string& text) {
  return ParseScore(FromText<v1::ScoreRequest>(text), *TokenModel().served, {});
}

TEST(TokenModelTest, APromptOfTextIsTokensTheFirstOfWhichIsRead) {
  ASSERT_OK_AND_ASSIGN(const GenerateCall call, Parse("prompt { raw: 'the the!' }"));
  EXPECT_EQ(call.job.first_input, 257);
  EXPECT_EQ(call.start.given, 1);
  EXPECT_THAT(call.job.prompt, ElementsAre(258, '!'));
  EXPECT_EQ(call.output.format, TokenFormat::kText);
  EXPECT_EQ(call.job.stop.max_new_tokens, 64 - 3);
}

TEST(TokenModelTest, APromptOfIdsIsTakenAsItIs) {
  ASSERT_OK_AND_ASSIGN(const GenerateCall call, Parse("prompt { ids { ids: 270 } }"));
  EXPECT_EQ(call.job.first_input, 270);
  EXPECT_THAT(call.job.prompt, IsEmpty());
}

TEST(TokenModelTest, WithoutAPromptTheStartTokenIsRead) {
  ASSERT_OK_AND_ASSIGN(const GenerateCall call, Parse(""));
  EXPECT_EQ(call.job.first_input, 299);
  EXPECT_EQ(call.start.given, 0);
  EXPECT_EQ(call.job.stop.max_new_tokens, 64);
}

TEST(TokenModelTest, WithoutAStartTokenAPromptIsNeeded) {
  ModelConfig config = TokenConfig();
  config.start_token.reset();
  const absl::Status status = Parse("", config).status();
  EXPECT_THAT(status, StatusIs(kInvalid, HasSubstr("prompt is empty; this model has no start")));
  EXPECT_EQ(FieldOf(status).value_or(""), "prompt");
}

TEST(TokenModelTest, TextThatIsNoUtf8OrTooLongIsRefusedByItsField) {
  const absl::Status broken = Parse(R"(prompt { raw: "ab\377" })").status();
  EXPECT_THAT(broken, StatusIs(kInvalid, "prompt.raw is not UTF-8 at byte 2"));
  const std::string many = absl::StrCat("prompt { raw: '", std::string(65, 'x'), "' }");
  EXPECT_THAT(Parse(many).status(),
              StatusIs(kInvalid, "prompt.raw has 65 tokens; the model takes at most 64"));
  // Longer than any 64 tokens, so that it is not even encoded: <|end|> is the longest, 7 bytes.
  const std::string huge = absl::StrCat("prompt { raw: '", std::string(size_t{7} * 65, 'x'), "' }");
  EXPECT_THAT(Parse(huge).status(), StatusIs(kInvalid, HasSubstr("the model takes at most 64")));
}

TEST(TokenModelTest, AStopSequenceIsOfTextAndTheEndTokenIsAStop) {
  ModelConfig config = TokenConfig();
  config.end_token = 299;
  const FakeModel model = TokenModel(config);
  ASSERT_OK_AND_ASSIGN(
      const GenerateCall call,
      ParseGenerate(FromText<v1::GenerateRequest>("sampling { stop_sequences: 'the' stop_ids: 3 }"),
                    *model.served, {}));
  EXPECT_THAT(call.job.stop.sequences, ElementsAre(ElementsAre('t', 'h', 'e')));
  EXPECT_THAT(call.job.stop.ids, ElementsAre(3, 299));
  EXPECT_EQ(call.job.stop.end_id, 299);
  EXPECT_EQ(call.job.stop.text_of(258), " the");
}

TEST(TokenModelTest, AResumeOfTextNeedsIds) {
  const std::string resume = "resume { model_fingerprint: 'fingerprint of fake' generated { ";
  ASSERT_OK_AND_ASSIGN(const GenerateCall call, Parse(absl::StrCat("sampling { seed: 1 } ", resume,
                                                                   "ids { ids: [258, 7] } } }")));
  EXPECT_THAT(call.job.resumed, ElementsAre(258, 7));
  EXPECT_THAT(Parse(absl::StrCat("sampling { seed: 1 } ", resume, "raw: 'the' } }")).status(),
              StatusIs(kInvalid, HasSubstr("resume.generated.raw holds bytes")));
}

TEST(TokenModelTest, AScoreBeginsBehindTheFirstToken) {
  ASSERT_OK_AND_ASSIGN(const ScoreCall call, ParseScored("sequence { raw: 'the the!' }"));
  EXPECT_EQ(call.job.first_input, 257);
  EXPECT_THAT(call.job.prompt, ElementsAre(258, '!'));
  EXPECT_EQ(call.job.score_from, 0);
  ASSERT_OK_AND_ASSIGN(const ScoreCall last,
                       ParseScored("sequence { raw: 'the the!' } score_from: 2"));
  EXPECT_EQ(last.job.score_from, 1);
  EXPECT_THAT(ParseScored("sequence { raw: 'the' }").status(),
              StatusIs(kInvalid, HasSubstr("sequence has 1 token; this model scores")));
  EXPECT_THAT(ParseScored("sequence { raw: 'the the!' } score_from: 3").status(),
              StatusIs(kInvalid, HasSubstr("it must lie in [0, 2]")));
}

TEST(TokenModelTest, ADeltaHasIdsAndTheirText) {
  const FakeModel model = TokenModel();
  GenerateEncoder encoder(
      {}, {.format = TokenFormat::kText, .tokenizer = &*model.served->tokenizer, .given = 1});
  TokenBatch batch;
  batch.first_position = 4;
  batch.tokens = {257, 270, 0xC3};
  const v1::GenerateResponse response = encoder.Encode(batch);
  EXPECT_EQ(response.delta().first_position(), 5U);
  EXPECT_THAT(response.delta().ids().ids(), ElementsAre(257, 270, 0xC3));
  EXPECT_EQ(response.delta().text(), "the\xC3");
}

TEST(TokenModelTest, AnEchoBeginsWithTheTokenThatWasGiven) {
  const FakeModel model = TokenModel();
  GenerateEncoder encoder({}, {.format = TokenFormat::kText,
                               .tokenizer = &*model.served->tokenizer,
                               .given = 1,
                               .echoed = 257});
  TokenBatch batch;
  batch.tokens = {258};
  batch.log_probs = {-2};
  batch.top_ids = {5};
  batch.top_values = {-1};
  const v1::GenerateResponse response = encoder.Encode(batch);
  EXPECT_EQ(response.delta().first_position(), 0U);
  EXPECT_THAT(response.delta().ids().ids(), ElementsAre(257, 258));
  EXPECT_EQ(response.delta().text(), "the the");
  EXPECT_THAT(response.delta().log_probs().chosen(), ElementsAre(0, -2));
  EXPECT_THAT(response.delta().log_probs().top_ids(), ElementsAre(257, 5));
  batch.first_position = 1;
  EXPECT_THAT(encoder.Encode(batch).delta().ids().ids(), ElementsAre(258));
  JobSummary summary;
  summary.prompt_tokens = 2;
  EXPECT_EQ(encoder.Encode(summary).summary().prompt_tokens(), 3U);
}

TEST(TokenModelTest, AnEndTellsTheStopAndWhatStoodBeforeIt) {
  const FakeModel model = TokenModel();
  GenerateEncoder encoder({},
                          {.format = TokenFormat::kText, .tokenizer = &*model.served->tokenizer});
  const v1::GenerateResponse response = encoder.Encode(SampleEnd{
      .reason = FinishReason::kStop, .matched_stop = {'h', 'e'}, .text_before_stop = "t"});
  EXPECT_EQ(response.finished().matched_stop_sequence(), "he");
  EXPECT_EQ(response.finished().text_before_stop(), "t");
}

TEST(TokenModelTest, ScoresAreAtTheSequencesOwnPositions) {
  ScoreEncoder encoder(/*given=*/1);
  TokenBatch batch;
  batch.tokens = {258, '!'};
  batch.log_probs = {-1, -2};
  EXPECT_EQ(encoder.Encode(batch).first_position(), 1U);
  EXPECT_EQ(encoder.Encode(JobSummary{}).first_position(), 3U);
}

}  // namespace
}  // namespace strided
