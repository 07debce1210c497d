#include "client/cpp/output/text_renderer.h"

#include <gtest/gtest.h>

#include "client/cpp/output/raw_renderer.h"
#include "tests/client/cpp/messages.h"
#include "tests/testing/status_matchers.h"

namespace strided::client {
namespace {

TEST(TextRendererTest, OneSampleStreamsByteForByteToAPipe) {
  std::string out;
  StringSink sink(&out);
  TextRenderer renderer(&sink, /*on_terminal=*/false, 1);
  EXPECT_OK(renderer.Render(DeltaMessage(0, 0, "a\x1b\xff")));
  EXPECT_EQ(out, "a\x1b\xff");
  EXPECT_OK(renderer.Render(DeltaMessage(0, 3, "b")));
  EXPECT_OK(renderer.Render(FinishedMessage(0, 4)));
  EXPECT_OK(renderer.End());
  EXPECT_EQ(out,
            "a\x1b\xff"
            "b");
}

TEST(TextRendererTest, ATerminalGetsSafeTextAndALastNewline) {
  std::string out;
  StringSink sink(&out);
  TextRenderer renderer(&sink, /*on_terminal=*/true, 1);
  EXPECT_OK(renderer.Render(DeltaMessage(0, 0, "a\x1b\xe2")));
  EXPECT_OK(renderer.Render(DeltaMessage(0, 3, "\x82\xac")));
  EXPECT_OK(renderer.Render(FinishedMessage(0, 5)));
  EXPECT_OK(renderer.End());
  EXPECT_EQ(out, "a\xe2\x90\x9b\xe2\x82\xac\n");
}

TEST(TextRendererTest, ALineThatHasEndedGetsNoSecondNewline) {
  std::string out;
  StringSink sink(&out);
  TextRenderer renderer(&sink, /*on_terminal=*/true, 1);
  EXPECT_OK(renderer.Render(DeltaMessage(0, 0, "a\n")));
  EXPECT_OK(renderer.End());
  EXPECT_EQ(out, "a\n");
}

TEST(TextRendererTest, SeveralSamplesComeOneAfterTheOther) {
  std::string out;
  StringSink sink(&out);
  TextRenderer renderer(&sink, /*on_terminal=*/false, 3);
  EXPECT_OK(renderer.Render(DeltaMessage(1, 0, "B")));
  EXPECT_EQ(out, "");
  EXPECT_OK(renderer.Render(DeltaMessage(0, 0, "A")));
  EXPECT_EQ(out, "--- sample 0 ---\nA");
  EXPECT_OK(renderer.Render(FinishedMessage(1, 1)));
  EXPECT_OK(renderer.Render(FinishedMessage(0, 1)));
  EXPECT_EQ(out, "--- sample 0 ---\nA\n--- sample 1 ---\nB\n");
  EXPECT_OK(renderer.Render(DeltaMessage(2, 0, "C")));
  EXPECT_OK(renderer.End());
  EXPECT_EQ(out, "--- sample 0 ---\nA\n--- sample 1 ---\nB\n--- sample 2 ---\nC\n");
}

TEST(TextRendererTest, AStreamThatBreaksOffLeavesWhatHasCome) {
  std::string out;
  StringSink sink(&out);
  TextRenderer renderer(&sink, /*on_terminal=*/false, 2);
  EXPECT_OK(renderer.Render(DeltaMessage(1, 0, "B")));
  EXPECT_OK(renderer.End());
  EXPECT_EQ(out, "--- sample 0 ---\n--- sample 1 ---\nB\n");
}

TEST(TextRendererTest, IdsAreShownAsTheTextTheySpell) {
  std::string out;
  StringSink sink(&out);
  TextRenderer renderer(&sink, /*on_terminal=*/false, 1);
  v1::GenerateResponse message = DeltaMessage(0, 0, "");
  message.mutable_delta()->mutable_ids()->add_ids(4711);
  message.mutable_delta()->set_text(" word");
  EXPECT_OK(renderer.Render(message));
  EXPECT_EQ(out, " word");
}

TEST(RawRendererTest, EverySampleHasItsOwnFile) {
  std::string first;
  std::string second;
  std::vector<std::unique_ptr<ByteSink>> files;
  files.push_back(std::make_unique<StringSink>(&first));
  files.push_back(std::make_unique<StringSink>(&second));
  RawRenderer renderer(std::move(files));
  EXPECT_OK(renderer.Render(DeltaMessage(1, 0, "\x1b\xff")));
  EXPECT_OK(renderer.Render(DeltaMessage(0, 0, "a")));
  EXPECT_OK(renderer.Render(DeltaMessage(7, 0, "of no sample")));
  EXPECT_EQ(first, "a");
  EXPECT_EQ(second, "\x1b\xff");
}

}  // namespace
}  // namespace strided::client
