#include "client/cpp/output/json_renderer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_split.h"
#include "client/cpp/output/json.h"
#include "tests/client/cpp/messages.h"
#include "tests/testing/status_matchers.h"

namespace strided::client {
namespace {

// A renderer of `started`'s stream, and the lines that it has written.
struct Fixture {
  explicit Fixture(const v1::Started& started) {
    auto created = JsonRenderer::Create(started, &sink);
    EXPECT_OK(created);
    renderer = *std::move(created);
  }

  // The last line after `event`. Fails the test where it is not one line of JSON.
  Json Render(const v1::GenerateResponse& event) {
    EXPECT_OK(renderer->Render(event));
    return LastLine();
  }
  Json LastLine() const {
    EXPECT_EQ(out.back(), '\n');
    const std::vector<std::string> lines = absl::StrSplit(out, '\n');
    Json line = Json::parse(lines[lines.size() - 2], nullptr, /*allow_exceptions=*/false);
    EXPECT_TRUE(line.is_object()) << out;
    return line;
  }

  std::string out;
  StringSink sink{&out};
  std::unique_ptr<JsonRenderer> renderer;
};

TEST(JsonRendererTest, StartedComesFirstAndKeepsAllBitsOfTheSeed) {
  v1::Started started = StartedMessage(2, 5).started();
  started.mutable_resolved()->set_seed(18446744073709551615U);
  const Json line = Fixture(started).LastLine();
  EXPECT_EQ(line["event"], "started");
  EXPECT_EQ(line["seed"], "18446744073709551615");
  EXPECT_EQ(line["prompt_tokens"], 5);
  EXPECT_EQ(line["modality"], "text");
  EXPECT_EQ(line["resolved"]["samples"], 2);
}

TEST(JsonRendererTest, ADeltaHasTokensAndText) {
  Fixture fixture(StartedMessage().started());
  const Json first = fixture.Render(DeltaMessage(0, 3, "a\xc3"));
  EXPECT_EQ(first["event"], "delta");
  EXPECT_EQ(first["first_position"], 3);
  EXPECT_EQ(first["tokens"], Json::array({97, 195}));
  EXPECT_EQ(first["text"], "a");
  EXPECT_EQ(fixture.Render(DeltaMessage(0, 5, "\xa9"))["text"], "\xc3\xa9");
}

TEST(JsonRendererTest, ACharacterThatNeverEndsComesWithFinished) {
  Fixture fixture(StartedMessage().started());
  fixture.Render(DeltaMessage(0, 0, "\xe2\x82"));
  const Json line = fixture.Render(FinishedMessage(0, 2));
  EXPECT_EQ(line["reason"], "LENGTH");
  EXPECT_EQ(line["text"], "\xef\xbf\xbd\xef\xbf\xbd");
}

TEST(JsonRendererTest, LogProbabilitiesStandByTheirTokens) {
  Fixture fixture(StartedMessage().started());
  v1::GenerateResponse message = DeltaMessage(0, 0, "ab");
  v1::LogProbs* log_probs = message.mutable_delta()->mutable_log_probs();
  log_probs->set_top_count(2);
  for (const float value : {-0.5F, -1.0F}) log_probs->add_chosen(value);
  for (const uint32_t id : {97U, 98U, 98U, 99U}) log_probs->add_top_ids(id);
  for (const float value : {-0.5F, -2.0F, -1.0F, -4.0F}) log_probs->add_top_values(value);
  const Json line = fixture.Render(message);
  EXPECT_EQ(line["log_probs"], Json::array({-0.5, -1.0}));
  ASSERT_EQ(line["top"].size(), 2U);
  EXPECT_EQ(line["top"][1][1]["id"], 99);
  EXPECT_EQ(line["top"][1][1]["log_prob"], -4.0);
}

TEST(JsonRendererTest, SixteenBitSamplesAreSigned) {
  v1::Started started = StartedMessage().started();
  started.set_modality(v1::MODALITY_AUDIO);
  started.mutable_audio()->set_encoding(v1::AUDIO_ENCODING_PCM16);
  Fixture fixture(started);
  EXPECT_EQ(fixture.LastLine()["audio"]["encoding"], "PCM16");
  const Json line = fixture.Render(DeltaMessage(0, 0, "\xff\xff\x01\x02"));
  EXPECT_EQ(line["tokens"], Json::array({-1, 513}));
  EXPECT_FALSE(line.contains("text"));
}

TEST(JsonRendererTest, ProgressAndSummaryAreInWordsAndSeconds) {
  Fixture fixture(StartedMessage().started());
  v1::GenerateResponse progress;
  progress.mutable_progress()->set_state(v1::Progress::STATE_QUEUED);
  progress.mutable_progress()->set_queue_position(3);
  EXPECT_EQ(fixture.Render(progress)["state"], "QUEUED");
  v1::GenerateResponse summary = SummaryMessage(2);
  summary.mutable_summary()->mutable_decode_time()->set_nanos(500'000'000);
  summary.mutable_summary()->set_generated_tokens(96);
  const Json line = fixture.Render(summary);
  EXPECT_EQ(line["decode_time"], 2.5);
  EXPECT_EQ(line["generated_tokens"], 96);
}

TEST(JsonRendererTest, BytesThatAreNotTextStillMakeValidJson) {
  Fixture fixture(StartedMessage().started());
  v1::GenerateResponse finished = FinishedMessage(0, 0);
  finished.mutable_finished()->set_matched_stop_sequence("\xff\"\n");
  EXPECT_EQ(fixture.Render(finished)["matched_stop_sequence"], "\xef\xbf\xbd\"\n");
}

}  // namespace
}  // namespace strided::client
