#include "server/service/generate_parser.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/error_detail.h"
#include "tests/server/service/fake_model.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

v1::GenerateRequest Request(const std::string& text) {
  v1::GenerateRequest request;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &request)) << text;
  return request;
}

const Arrival kArrival = {
    .time = absl::FromUnixSeconds(1000), .seed = 77, .request_id = "made by the server"};

absl::StatusOr<GenerateCall> Parse(const ModelConfig& config, const std::string& text) {
  return ParseGenerate(Request(text), *MakeFakeModel(config).served, kArrival);
}

ModelConfig TokenConfig() {
  ModelConfig config = TextConfig();
  config.vocab_size = 1000;
  return config;
}

// A request, the field that is wrong, and the whole text of the error.
struct BadRequest {
  std::string request;
  std::string field;
  std::string text;
};

void ExpectRefused(const ModelConfig& config, const std::vector<BadRequest>& table) {
  for (const BadRequest& bad : table) {
    SCOPED_TRACE(bad.request);
    const absl::Status status = Parse(config, bad.request).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(FieldOf(status).value_or("none"), bad.field);
    EXPECT_EQ(status.message(), bad.text);
  }
}

TEST(GenerateParserTest, AnEmptyRequestGetsEveryDefault) {
  ASSERT_OK_AND_ASSIGN(const GenerateCall call, Parse(TextConfig(), ""));
  const Job& job = call.job;
  EXPECT_EQ(job.kind, JobKind::kGenerate);
  EXPECT_EQ(job.request_id, "made by the server");
  EXPECT_THAT(job.prompt, IsEmpty());
  EXPECT_THAT(job.condition_values, ElementsAre(0));
  EXPECT_EQ(job.sampling, SamplingParameters());
  EXPECT_EQ(job.stop.max_new_tokens, 64);
  EXPECT_EQ(job.stop.full_length_reason, FinishReason::kContextFull);
  EXPECT_EQ(job.stop.min_new_tokens, 0);
  EXPECT_FALSE(job.stop.include_stop);
  EXPECT_EQ(job.seed, 77U);
  EXPECT_EQ(job.samples, 1);
  EXPECT_EQ(job.priority, 0);
  EXPECT_EQ(job.time_limit, absl::InfiniteFuture());
  EXPECT_FALSE(job.top_logprobs.has_value());
  EXPECT_FALSE(job.echo_prompt);
  EXPECT_EQ(call.output.format, TokenFormat::kRaw);
}

TEST(GenerateParserTest, EveryFieldReachesTheJob) {
  ASSERT_OK_AND_ASSIGN(const GenerateCall call, Parse(TextConfig(), R"(
      request_id: "mine" prompt { raw: "ab\377" } conditions { key: "mood" value: 2 }
      sampling {
        max_new_tokens: 9 temperature: 0.5 top_k: 40 top_p: 0.75 min_p: 0.125 typical_p: 0.25
        repetition_penalty: 1.5 presence_penalty: -1 frequency_penalty: 2 seed: 0 samples: 64
        stop_sequences: "\n\n" stop_ids: 7 stop_ids: 3 stop_ids: 7 include_stop: true
        logit_bias { key: 255 value: -1.5 } allowed_ids { ids: 9 ids: 4 } min_new_tokens: 9
      }
      output { top_logprobs: 32 max_tokens_per_message: 5 max_message_delay { nanos: 1 }
               echo_prompt: true }
      priority: -100 time_limit { seconds: 2 })"));
  const Job& job = call.job;
  EXPECT_EQ(job.request_id, "mine");
  EXPECT_THAT(job.prompt, ElementsAre('a', 'b', 255));
  EXPECT_THAT(job.condition_values, ElementsAre(2));
  EXPECT_EQ(job.sampling, (SamplingParameters{.temperature = 0.5,
                                              .top_k = 40,
                                              .top_p = 0.75,
                                              .min_p = 0.125,
                                              .typical_p = 0.25,
                                              .repetition_penalty = 1.5,
                                              .presence_penalty = -1,
                                              .frequency_penalty = 2,
                                              .logit_bias = {{255, -1.5F}},
                                              .allowed_ids = {4, 9}}));
  EXPECT_EQ(job.stop.max_new_tokens, 9);
  EXPECT_EQ(job.stop.full_length_reason, FinishReason::kLength);
  EXPECT_EQ(job.stop.min_new_tokens, 9);
  EXPECT_THAT(job.stop.sequences, ElementsAre(ElementsAre('\n', '\n')));
  EXPECT_THAT(job.stop.ids, ElementsAre(3, 7));
  EXPECT_TRUE(job.stop.include_stop);
  EXPECT_EQ(job.seed, 0U);
  EXPECT_EQ(job.samples, 64);
  EXPECT_EQ(job.top_logprobs, 32);
  EXPECT_TRUE(job.echo_prompt);
  EXPECT_EQ(job.priority, -100);
  EXPECT_EQ(job.time_limit, absl::FromUnixSeconds(1002));
  EXPECT_EQ(call.output.max_tokens_per_message, 5U);
  EXPECT_EQ(call.output.max_message_delay, absl::Nanoseconds(1));
}

TEST(GenerateParserTest, FieldsBesideTheSamplingAreNamedWithValueAndLimit) {
  ExpectRefused(
      TextConfig(),
      {{absl::StrCat("request_id: '", std::string(129, 'x'), "'"), "request_id",
        "request_id has 129 bytes; at most 128"},
       {R"(request_id: "a\tb")", "request_id",
        R"(request_id is "a\tb" with byte 9 at 1; it must be printable ASCII)"},
       {"prompt { ids { ids: 1 ids: 256 } }", "prompt.ids.ids[1]",
        "prompt.ids.ids[1] is 256; it must lie in [0, 255]"},
       {"conditions { key: 'mood' value: 3 }", R"(conditions["mood"])",
        R"(conditions["mood"] is 3; it must lie in [0, 2])"},
       {"conditions { key: 'weather' value: 0 }", R"(conditions["weather"])",
        R"(conditions["weather"] is no condition of this model, which has mood)"},
       {"priority: 101", "priority", "priority is 101; it must lie in [-100, 100]"},
       {"priority: -101", "priority", "priority is -101; it must lie in [-100, 100]"},
       {"time_limit {}", "time_limit", "time_limit is 0; it must be greater than 0"},
       {"time_limit { seconds: -3 nanos: -500000000 }", "time_limit",
        "time_limit is -3.5s; it must be greater than 0"},
       {"time_limit { seconds: 1 nanos: 1000000000 }", "time_limit.nanos",
        "time_limit.nanos is 1000000000; it must lie in [-999999999, 999999999]"},
       {"time_limit { seconds: 315576000001 }", "time_limit.seconds",
        "time_limit.seconds is 315576000001; it must lie in [-315576000000, 315576000000]"},
       {"time_limit { seconds: 1 nanos: -1 }", "time_limit",
        "time_limit has 1 seconds and -1 nanos; their signs must be equal"}});
}

TEST(GenerateParserTest, IdsOfTheDistributionAreNamedWithValueAndLimit) {
  ExpectRefused(TextConfig(),
                {{"sampling { top_k: 257 }", "sampling.top_k",
                  "sampling.top_k is 257; it must lie in [0, 256]"},
                 {"sampling { top_k: 4294967295 }", "sampling.top_k",
                  "sampling.top_k is 4294967295; it must lie in [0, 256]"},
                 {"sampling { logit_bias { key: 256 value: 1 } }", "sampling.logit_bias[256]",
                  "sampling.logit_bias[256] is 256; it must lie in [0, 255]"},
                 {"sampling { allowed_ids {} }", "sampling.allowed_ids.ids",
                  "sampling.allowed_ids.ids is empty; leave allowed_ids unset to allow every id"},
                 {"sampling { allowed_ids { ids: 5 ids: 256 } }", "sampling.allowed_ids.ids[1]",
                  "sampling.allowed_ids.ids[1] is 256; it must lie in [0, 255]"},
                 {"sampling { allowed_ids { ids: 5 ids: 2 ids: 5 } }", "sampling.allowed_ids.ids",
                  "sampling.allowed_ids.ids names id 5 twice; each may stand once"}});
}

TEST(GenerateParserTest, NoNumberMayLieBeyondEitherEndOfItsIntervalOrBeNaN) {
  struct Interval {
    std::string field;
    std::string text;
    std::vector<std::string> outside;  // beside what lies in no interval
  };
  const std::vector<Interval> intervals = {{"temperature", "[0, 100]", {"-0.5", "100.5"}},
                                           {"top_p", "(0, 1]", {"-0.5", "0", "1.5"}},
                                           {"min_p", "[0, 1)", {"-0.5", "1", "1.5"}},
                                           {"typical_p", "(0, 1]", {"-0.5", "0", "1.5"}},
                                           {"repetition_penalty", "(0, 10]", {"-1", "0", "10.5"}},
                                           {"presence_penalty", "[-2, 2]", {"-2.5", "2.5"}},
                                           {"frequency_penalty", "[-2, 2]", {"-2.5", "2.5"}}};
  std::vector<BadRequest> table;
  for (const Interval& interval : intervals) {
    const std::string path = absl::StrCat("sampling.", interval.field);
    std::vector<std::string> values = interval.outside;
    values.insert(values.end(), {"nan", "inf", "-inf"});
    for (const std::string& value : values) {
      table.push_back({absl::StrCat("sampling { ", interval.field, ": ", value, " }"), path,
                       absl::StrCat(path, " is ", value, "; it must lie in ", interval.text)});
    }
  }
  for (const std::string value : {"nan", "inf", "-inf"}) {
    table.push_back({absl::StrCat("sampling { logit_bias { key: 4 value: ", value, " } }"),
                     "sampling.logit_bias[4]",
                     absl::StrCat("sampling.logit_bias[4] is ", value, "; it must be finite")});
  }
  ExpectRefused(TextConfig(), table);
}

TEST(GenerateParserTest, LengthsAndStopsAreNamedWithValueAndLimit) {
  std::string many_stops = "sampling {";
  std::string many_ids = "sampling {";
  for (int i = 0; i < 17; ++i) many_stops += " stop_sequences: 'x'";
  for (int i = 0; i < 257; ++i) many_ids += " stop_ids: 1";
  ExpectRefused(
      TextConfig(),
      {{"sampling { max_new_tokens: 0 }", "sampling.max_new_tokens",
        "sampling.max_new_tokens is 0; at least 1 new token is made"},
       {"sampling { max_new_tokens: 4 min_new_tokens: 5 }", "sampling.min_new_tokens",
        "sampling.min_new_tokens is 5; it must lie in [0, 4] (the new tokens of this request)"},
       {"sampling { samples: 0 }", "sampling.samples",
        "sampling.samples is 0; it must lie in [1, 64]"},
       {"sampling { samples: 65 }", "sampling.samples",
        "sampling.samples is 65; it must lie in [1, 64]"},
       {"sampling { stop_sequences: 'ok' stop_sequences: '' }", "sampling.stop_sequences[1]",
        "sampling.stop_sequences[1] has 0 bytes; it must have 1 to 256"},
       {absl::StrCat("sampling { stop_sequences: '", std::string(257, 'x'), "' }"),
        "sampling.stop_sequences[0]",
        "sampling.stop_sequences[0] has 257 bytes; it must have 1 to 256"},
       {many_stops + "}", "sampling.stop_sequences",
        "sampling.stop_sequences has 17 entries; at most 16"},
       {"sampling { stop_ids: 256 }", "sampling.stop_ids[0]",
        "sampling.stop_ids[0] is 256; it must lie in [0, 255]"},
       {many_ids + "}", "sampling.stop_ids", "sampling.stop_ids has 257 entries; at most 256"}});
}

TEST(GenerateParserTest, OutputOptionsAreNamedWithValueAndLimit) {
  ExpectRefused(
      TextConfig(),
      {{"output { top_logprobs: 33 }", "output.top_logprobs",
        "output.top_logprobs is 33; it must lie in [0, 32]"},
       {"output { max_tokens_per_message: 0 }", "output.max_tokens_per_message",
        "output.max_tokens_per_message is 0; a message holds at least 1 token"},
       {"output { max_message_delay { nanos: -1 } }", "output.max_message_delay",
        "output.max_message_delay is -1ns; it must lie in [0, 10s]"},
       {"output { max_message_delay { seconds: 11 } }", "output.max_message_delay",
        "output.max_message_delay is 11s; it must lie in [0, 10s]"},
       {"output { max_message_delay { nanos: -1000000000 } }", "output.max_message_delay.nanos",
        "output.max_message_delay.nanos is -1000000000; it must lie in [-999999999, 999999999]"},
       {"output { audio_encoding: AUDIO_ENCODING_PCM16 }", "output.audio_encoding",
        "output.audio_encoding is AUDIO_ENCODING_PCM16; this model makes text, not audio"}});
  ExpectRefused(AudioConfig(),
                {{"output { audio_encoding: AUDIO_ENCODING_LINEAR8 }", "output.audio_encoding",
                  "output.audio_encoding is AUDIO_ENCODING_LINEAR8; this model gives "
                  "AUDIO_ENCODING_MULAW or AUDIO_ENCODING_PCM16"},
                 {"output { audio_encoding: AUDIO_ENCODING_UNSPECIFIED }", "output.audio_encoding",
                  "output.audio_encoding is AUDIO_ENCODING_UNSPECIFIED; this model gives "
                  "AUDIO_ENCODING_MULAW or AUDIO_ENCODING_PCM16"}});
}

TEST(GenerateParserTest, AnEncodingThatNobodyKnowsIsNamedByItsNumber) {
  v1::GenerateRequest request;
  request.mutable_output()->set_audio_encoding(static_cast<v1::AudioEncoding>(17));
  EXPECT_THAT(ParseGenerate(request, *MakeFakeModel(AudioConfig()).served, kArrival),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       "output.audio_encoding is 17 (unknown); this model gives "
                       "AUDIO_ENCODING_MULAW or AUDIO_ENCODING_PCM16"));
}

TEST(GenerateParserTest, AModelOfFewTokensChecksEachByte) {
  ModelConfig config = TextConfig();
  config.vocab_size = 16;
  ExpectRefused(config, {{R"(prompt { raw: "\001\020" })", "prompt.raw[1]",
                          "prompt.raw[1] is 16; it must lie in [0, 15]"},
                         {R"(sampling { stop_sequences: "\021" })", "sampling.stop_sequences[0][0]",
                          "sampling.stop_sequences[0][0] is 17; it must lie in [0, 15]"},
                         {"output { top_logprobs: 17 }", "output.top_logprobs",
                          "output.top_logprobs is 17; it must lie in [0, 16]"}});
}

TEST(GenerateParserTest, AModelOfManyTokensTakesIdsAlone) {
  ExpectRefused(TokenConfig(),
                {{"prompt { raw: 'abc' }", "prompt.raw",
                  "prompt.raw holds bytes; this model has 1000 tokens and takes ids (at most 256 "
                  "fit a byte)"},
                 {"sampling { stop_sequences: 'abc' }", "sampling.stop_sequences[0]",
                  "sampling.stop_sequences[0] holds bytes; this model has 1000 tokens and takes "
                  "ids (at most 256 fit a byte)"}});
  ASSERT_OK_AND_ASSIGN(const GenerateCall call,
                       Parse(TokenConfig(), "prompt { ids { ids: 999 } }"));
  EXPECT_THAT(call.job.prompt, ElementsAre(999));
  EXPECT_EQ(call.output.format, TokenFormat::kIds);
}

// A request whose length is wrong: the reason's limit and what was given.
struct LongRequest {
  std::string request;
  std::string field;
  std::string limit;
  std::string given;
};

void ExpectTooLong(const ModelConfig& config, const std::vector<LongRequest>& table) {
  for (const LongRequest& bad : table) {
    SCOPED_TRACE(bad.request);
    const absl::Status status = Parse(config, bad.request).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(FieldOf(status).value_or("none"), bad.field);
    ErrorReason reason = ReasonOf(status).value_or(ErrorReason());
    EXPECT_EQ(reason.reason, "CONTEXT_LENGTH_EXCEEDED");
    EXPECT_EQ(reason.metadata["limit"], bad.limit);
    EXPECT_EQ(reason.metadata["given"], bad.given);
  }
}

TEST(GenerateParserTest, WhatIsLongerThanTheContextIsRefused) {
  const std::string full = absl::StrCat("prompt { raw: '", std::string(64, 'x'), "' }");
  const std::string longer = absl::StrCat("prompt { raw: '", std::string(65, 'x'), "' }");
  ExpectTooLong(
      TextConfig(),
      {{longer, "prompt.raw", "64", "65"},
       {full, "prompt", "64", "65"},
       {full + "sampling { max_new_tokens: 1 }", "sampling.max_new_tokens", "64", "65"},
       {"prompt { raw: 'x' } sampling { max_new_tokens: 64 }", "sampling.max_new_tokens", "64",
        "65"},
       {"sampling { max_new_tokens: 4294967295 }", "sampling.max_new_tokens", "64", "4294967295"}});
  ExpectTooLong(ImageConfig(),
                {{"sampling { max_new_tokens: 13 }", "sampling.max_new_tokens", "12", "13"}});
}

TEST(GenerateParserTest, ASequenceThatNeverFitsTheDeviceIsRefusedInBytes) {
  const FakeModel model = MakeFakeModel(TextConfig());
  model.executor->SetCacheCapacity(int64_t{8} * 10);
  const v1::GenerateRequest fits = Request("sampling { max_new_tokens: 10 }");
  EXPECT_OK(ParseGenerate(fits, *model.served, kArrival));
  const absl::Status status =
      ParseGenerate(Request("sampling { max_new_tokens: 11 }"), *model.served, kArrival).status();
  EXPECT_EQ(status.message(),
            "sampling.max_new_tokens needs 88 bytes of cache for 11 tokens; the device has 80");
  EXPECT_EQ(ReasonOf(status)->reason, "CONTEXT_LENGTH_EXCEEDED");
  EXPECT_EQ(ReasonOf(status)->metadata.at("unit"), "bytes");
}

TEST(GenerateParserTest, ALengthSaysWhyItEnds) {
  struct Case {
    ModelConfig config;
    std::string request;
    int max_new_tokens;
    FinishReason reason;
  };
  const std::vector<Case> cases = {
      {ImageConfig(), "", 12, FinishReason::kEndOfSequence},
      {ImageConfig(), "prompt { raw: 'abc' }", 9, FinishReason::kEndOfSequence},
      {ImageConfig(), "prompt { raw: 'abc' } sampling { max_new_tokens: 9 }", 9,
       FinishReason::kEndOfSequence},
      {ImageConfig(), "prompt { raw: 'abc' } sampling { max_new_tokens: 8 }", 8,
       FinishReason::kLength},
      {AudioConfig(), "prompt { raw: 'abc' }", 61, FinishReason::kContextFull},
      {AudioConfig(), "sampling { max_new_tokens: 64 }", 64, FinishReason::kLength},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.request);
    ASSERT_OK_AND_ASSIGN(const GenerateCall call, Parse(c.config, c.request));
    EXPECT_EQ(call.job.stop.max_new_tokens, c.max_new_tokens);
    EXPECT_EQ(call.job.stop.full_length_reason, c.reason);
  }
}

constexpr char kResume[] =
    "sampling { seed: 5 samples: 3 max_new_tokens: 4 } "
    "resume { sample_index: 2 model_fingerprint: 'fingerprint of fake' ";

TEST(GenerateParserTest, AResumeRunsItsSampleAlone) {
  ASSERT_OK_AND_ASSIGN(const GenerateCall call,
                       Parse(TextConfig(), absl::StrCat(kResume,
                                                        "generated { raw: 'abcd' } } "
                                                        "output { echo_prompt: true }")));
  EXPECT_THAT(call.job.resumed, ElementsAre('a', 'b', 'c', 'd'));
  EXPECT_EQ(call.job.first_sample_index, 2U);
  EXPECT_EQ(call.job.samples, 1);
  EXPECT_EQ(call.samples, 3);
  EXPECT_EQ(call.job.seed, 5U);
  EXPECT_FALSE(call.job.echo_prompt) << "the client has the prompt's echo already";
}

TEST(GenerateParserTest, AResumeReadsAudioInTheStreamsOwnEncoding) {
  const std::string request = absl::StrCat(kResume, R"(generated { raw: "\001\200\377\177" } } )",
                                           "output { audio_encoding: AUDIO_ENCODING_PCM16 }");
  ASSERT_OK_AND_ASSIGN(const GenerateCall call, Parse(AudioConfig(), request));
  EXPECT_THAT(call.job.resumed, ElementsAre(0, 255));
  EXPECT_EQ(call.output.format, TokenFormat::kPcm16);
}

TEST(GenerateParserTest, AResumeIsNamedWithValueAndLimit) {
  const std::string fingerprint = "model_fingerprint: 'fingerprint of fake' ";
  ExpectRefused(
      TextConfig(),
      {{absl::StrCat(kResume, "generated { raw: 'abcde' } }"), "resume.generated",
        "resume.generated has 5 tokens; the request makes at most 4"},
       {absl::StrCat(kResume, "generated { ids { ids: 256 } } }"), "resume.generated.ids.ids[0]",
        "resume.generated.ids.ids[0] is 256; it must lie in [0, 255]"},
       {absl::StrCat("resume { ", fingerprint, "}"), "sampling.seed",
        "sampling.seed is unset; a resume needs the seed of Started"},
       {absl::StrCat("sampling { seed: 1 } resume { sample_index: 1 ", fingerprint, "}"),
        "resume.sample_index", "resume.sample_index is 1; it must lie in [0, 0]"},
       {"sampling { seed: 1 } resume {}", "resume.model_fingerprint",
        "resume.model_fingerprint is empty; it must be the one of Started"}});
  const std::string pcm = "output { audio_encoding: AUDIO_ENCODING_PCM16 }";
  ExpectRefused(AudioConfig(),
                {{absl::StrCat(kResume, "generated { raw: 'a' } }", pcm), "resume.generated.raw",
                  "resume.generated.raw has 1 bytes; 16-bit samples take an even number"},
                 {absl::StrCat(kResume, R"(generated { raw: "\001\200\004\000" } })", pcm),
                  "resume.generated.raw[2]",
                  "resume.generated.raw[2] is the sample 4, which no code of this model has"}});
}

TEST(GenerateParserTest, OtherWeightsRefuseAResume) {
  const absl::Status status =
      Parse(TextConfig(), "sampling { seed: 1 } resume { model_fingerprint: 'old' }").status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kFailedPrecondition,
                               "resume.model_fingerprint is \"old\"; this model has \"fingerprint "
                               "of fake\" and would go on differently"));
  EXPECT_EQ(ReasonOf(status)->reason, "FINGERPRINT_MISMATCH");
  EXPECT_EQ(ReasonOf(status)->metadata.at("given"), "old");
  EXPECT_EQ(ReasonOf(status)->metadata.at("serving"), "fingerprint of fake");
}

TEST(GenerateParserTest, StartedSaysWhatIsReallyUsed) {
  const v1::GenerateRequest request = Request("prompt { raw: 'ab' } sampling { stop_ids: 3 }");
  const FakeModel model = MakeFakeModel(AudioConfig());
  ASSERT_OK_AND_ASSIGN(const GenerateCall call, ParseGenerate(request, *model.served, kArrival));
  v1::Started expected;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
      R"(request_id: "made by the server" model: "fake" model_version: "1"
         model_fingerprint: "fingerprint of fake" modality: MODALITY_AUDIO
         resolved { max_new_tokens: 62 temperature: 1 top_k: 0 top_p: 1 min_p: 0 typical_p: 1
                    repetition_penalty: 1 presence_penalty: 0 frequency_penalty: 0 seed: 77
                    samples: 1 stop_ids: 3 include_stop: false min_new_tokens: 0 }
         prompt_tokens: 2 audio { sample_rate_hz: 8000 encoding: AUDIO_ENCODING_MULAW })",
      &expected));
  EXPECT_EQ(MakeStarted(request, *model.served, call).ShortDebugString(),
            expected.ShortDebugString());
}

TEST(GenerateParserTest, WhatTheServerMakesUpDiffersFromCallToCall) {
  const SystemClock clock;
  const Arrival first = MakeArrival(clock);
  const Arrival second = MakeArrival(clock);
  EXPECT_NE(first.seed, second.seed);
  EXPECT_NE(first.request_id, second.request_id);
  EXPECT_EQ(first.request_id.size(), 16U);
}

}  // namespace
}  // namespace strided
