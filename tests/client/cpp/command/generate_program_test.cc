// `stride generate` against scripted servers.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <map>

#include "absl/strings/str_split.h"
#include "client/cpp/media/png.h"
#include "client/cpp/output/byte_sink.h"
#include "client/cpp/output/json.h"
#include "client/cpp/window_plan.h"
#include "tests/client/cpp/command/run_stride.h"
#include "tests/client/cpp/fake_model.h"
#include "tests/client/cpp/messages.h"
#include "tests/client/cpp/rich_status.h"
#include "tests/client/cpp/scripted_server.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace strided::client {
namespace {

using ::testing::ElementsAreArray;
using ::testing::EndsWith;
using ::testing::HasSubstr;

std::vector<std::string> CommandLine(const ScriptedServer& server,
                                     const std::vector<std::string>& flags) {
  std::vector<std::string> argv = {STRIDE_PROGRAM, "generate", "--address", server.address()};
  argv.insert(argv.end(), flags.begin(), flags.end());
  return argv;
}

Ran Generate(const ScriptedServer& server, const std::vector<std::string>& flags,
             const std::string& input = "") {
  return RunningProgram(CommandLine(server, flags), input).Wait();
}

Script FakeModelScript() {
  return {.generate = [](const auto& request, int, auto* writer) {
    return StreamFakeModel(request, writer);
  }};
}

TEST(GenerateProgramTest, TextComesToStandardOutput) {
  const ScriptedServer server(FakeModelScript());
  const Ran ran = Generate(server, {"--prompt", "xyz", "--max-new-tokens", "9", "--seed", "3"});
  EXPECT_EQ(ran.exit_code, 0) << ran.error;
  EXPECT_EQ(ran.out, FakeTokens(3, 0, 3, 9));
  EXPECT_THAT(ran.error, EndsWith("ended by LENGTH, seed 3\n"));
}

TEST(GenerateProgramTest, QuietSaysNothingElse) {
  const ScriptedServer server(FakeModelScript());
  EXPECT_EQ(Generate(server, {"--max-new-tokens", "9", "--quiet"}).error, "");
}

TEST(GenerateProgramTest, ThePromptMayComeFromStandardInput) {
  const ScriptedServer server(FakeModelScript());
  const Ran ran = Generate(server, {"--prompt-file", "-", "--max-new-tokens", "1"}, "a\nb");
  EXPECT_EQ(ran.exit_code, 0) << ran.error;
  EXPECT_EQ(server.generate_requests()[0].prompt().raw(), "a\nb");
}

TEST(GenerateProgramTest, AConnectionThatBreaksIsNotSeen) {
  const ScriptedServer server({.generate = [](const auto& request, int call, auto* writer) {
    if (call > 0) return StreamFakeModel(request, writer);
    return StreamFakeModel(request, writer, Break{.after_messages = 5});
  }});
  const Ran ran = Generate(server, {"--max-new-tokens", "20"});
  EXPECT_EQ(ran.exit_code, 0) << ran.error;
  EXPECT_EQ(ran.out, FakeTokens(7, 0, 0, 20));
  EXPECT_EQ(server.generate_requests().size(), 2U);
}

TEST(GenerateProgramTest, EveryEventIsALineOfJson) {
  const ScriptedServer server(FakeModelScript());
  const Ran ran = Generate(server, {"--max-new-tokens", "2", "--json"});
  EXPECT_EQ(ran.exit_code, 0) << ran.error;
  std::vector<std::string> events;
  for (const auto line : absl::StrSplit(ran.out, '\n', absl::SkipEmpty())) {
    const Json object = Json::parse(std::string(line), nullptr, /*allow_exceptions=*/false);
    ASSERT_TRUE(object.is_object()) << line;
    events.push_back(object["event"]);
  }
  EXPECT_THAT(events, ElementsAreArray({"started", "delta", "delta", "finished", "summary"}));
}

TEST(GenerateProgramTest, SeveralSamplesGoToNumberedFiles) {
  const ScriptedServer server(FakeModelScript());
  const TemporaryDirectory directory;
  const Ran ran = Generate(server, {"--max-new-tokens", "4", "--samples", "2", "--output",
                                    directory.path() + "/out.txt"});
  EXPECT_EQ(ran.exit_code, 0) << ran.error;
  EXPECT_EQ(ran.out, "");
  EXPECT_THAT(ReadInput(directory.path() + "/out-0.txt"), IsOkAndHolds(FakeTokens(7, 0, 0, 4)));
  EXPECT_THAT(ReadInput(directory.path() + "/out-1.txt"), IsOkAndHolds(FakeTokens(7, 1, 0, 4)));
}

TEST(GenerateProgramTest, AnImageIsCompletedFromItsTopRows) {
  Script script = {.models = {ImageModel(4, 2, 1)}};
  script.generate = [](const v1::GenerateRequest& request, int, Script::GenerateWriter* writer) {
    v1::GenerateResponse started = StartedMessage(1, request.prompt().raw().size());
    started.mutable_started()->set_modality(v1::MODALITY_IMAGE);
    *started.mutable_started()->mutable_image() = ImageModel(4, 2, 1).image();
    v1::GenerateResponse delta = DeltaMessage(0, 2, "\x7\x7\x7\x7\x7\x7");
    v1::GenerateResponse finished = FinishedMessage(0, 6);
    v1::GenerateResponse summary = SummaryMessage();
    uint64_t index = 0;
    for (v1::GenerateResponse* message : {&started, &delta, &finished, &summary}) {
      message->set_message_index(index++);
      writer->Write(*message);
    }
    return grpc::Status::OK;
  };
  const ScriptedServer server(script);
  const TemporaryDirectory directory;
  const std::string photo =
      directory.Write("photo.png", *EncodePng({4, 2, 1, {1, 2, 3, 4, 5, 6, 7, 8}}));
  const std::string output = directory.path() + "/whole.png";
  const Ran ran =
      Generate(server, {"--prompt-file", photo, "--prompt-rows", "1", "--output", output});
  EXPECT_EQ(ran.exit_code, 0) << ran.error;
  EXPECT_EQ(server.generate_requests()[0].prompt().raw(), "\1\2");
  ASSERT_OK_AND_ASSIGN(const std::string png, ReadInput(output));
  ASSERT_OK_AND_ASSIGN(const Image image, DecodePng(png, 1));
  EXPECT_EQ(image.samples, (std::vector<uint8_t>{1, 2, 7, 7, 7, 7, 7, 7}));
}

TEST(GenerateProgramTest, AConditionMayBeGivenByItsLabel) {
  Script script = FakeModelScript();
  script.models = {TextModel("text", 100)};
  v1::Condition* condition = script.models[0].add_conditions();
  condition->set_name("mood");
  condition->set_values(2);
  condition->add_labels("any");
  condition->add_labels("happy");
  const ScriptedServer server(script);
  const Ran ran = Generate(server, {"--condition", "mood=happy", "--max-new-tokens", "3"});
  EXPECT_EQ(ran.exit_code, 0) << ran.error;
  EXPECT_EQ(server.generate_requests()[0].conditions().at("mood"), 1U);
  const Ran refused = Generate(server, {"--condition", "mood=sad"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_EQ(refused.error,
            "stride: --condition: 'sad' is no mood of the model 'text', which has any, happy\n");
}

Script LongTextScript() {
  Script script = FakeModelScript();
  script.models = {TextModel("bytes", 10)};
  return script;
}

TEST(GenerateProgramTest, ALengthGoesBeyondTheContext) {
  const ScriptedServer server(LongTextScript());
  const Ran ran = Generate(server, {"--length", "1000", "--hop", "0.2", "--seed", "3"});
  EXPECT_EQ(ran.exit_code, 0) << ran.error;
  EXPECT_EQ(ran.out.size(), 1000U);
  EXPECT_EQ(ran.out.substr(0, 10), FakeTokens(3, 0, 0, 10));
  EXPECT_EQ(ran.out.substr(10, 2), FakeTokens(WindowSeed(3, 1), 0, 8, 2));
  EXPECT_THAT(ran.error, HasSubstr("1,000 tokens"));
  EXPECT_THAT(ran.error, EndsWith("ended by LENGTH, seed 3\n"));
  EXPECT_EQ(server.generate_requests().size(), 1U + 990 / 2);
  EXPECT_EQ(Generate(server, {"--length", "1000", "--hop", "2", "--seed", "3"}).out, ran.out);
}

TEST(GenerateProgramTest, JsonOfALongGenerationIsOneStream) {
  const ScriptedServer server(LongTextScript());
  const Ran ran = Generate(server, {"--length", "25", "--samples", "2", "--json"});
  EXPECT_EQ(ran.exit_code, 0) << ran.error;
  std::map<std::string, int> events;
  std::map<int, std::string> text;
  for (const auto line : absl::StrSplit(ran.out, '\n', absl::SkipEmpty())) {
    const Json object = Json::parse(std::string(line), nullptr, /*allow_exceptions=*/false);
    ++events[object["event"]];
    if (object["event"] != "delta") continue;
    const int sample = object["sample_index"];
    EXPECT_EQ(object["first_position"], text[sample].size());
    text[sample] += object["text"];
  }
  EXPECT_EQ(events, (std::map<std::string, int>{
                        {"started", 1}, {"delta", 50}, {"finished", 2}, {"summary", 1}}));
  EXPECT_EQ(text[0].size(), 25U);
  EXPECT_NE(text[0], text[1]);
}

TEST(GenerateProgramTest, ALengthBeyondAnImageIsRefused) {
  const ScriptedServer server({.models = {ImageModel(4, 2, 1)}});
  const Ran ran = Generate(server, {"--length", "100"});
  EXPECT_EQ(ran.exit_code, 2);
  EXPECT_EQ(ran.error,
            "stride: an image ends with its last pixel: the model 'image' cannot go on beyond it, "
            "as text and audio can\n");
}

TEST(GenerateProgramTest, CtrlCInALaterWindowLeavesWhatHasCome) {
  const ScriptedServer server(LongTextScript());
  RunningProgram program(CommandLine(server, {"--length", "4000000000"}));
  program.AwaitOutput();
  program.Signal(SIGINT);
  const Ran ran = program.Wait();
  EXPECT_EQ(ran.exit_code, 130) << ran.error;
  EXPECT_THAT(ran.error, HasSubstr("incomplete"));
  EXPECT_THAT(ran.error, EndsWith("stride: interrupted\n"));
}

TEST(GenerateProgramTest, ARefusalIsOneLineAndExitCodeOne) {
  const ScriptedServer server({.generate = [](const auto&, int, auto*) {
    return RichStatus(grpc::StatusCode::INVALID_ARGUMENT, "sampling.top_p is 1.5")
        .Field("sampling.top_p")
        .Reason("OUT_OF_RANGE")
        .Build();
  }});
  const Ran ran = Generate(server, {"--top-p", "1.5"});
  EXPECT_EQ(ran.error, "stride: INVALID_ARGUMENT: sampling.top_p is 1.5 (reason OUT_OF_RANGE)\n");
  EXPECT_EQ(ran.exit_code, 1);
}

TEST(GenerateProgramTest, AFullQueueIsARefusalWithItsDelay) {
  const ScriptedServer server({.generate = [](const auto&, int, auto*) {
    return RichStatus(grpc::StatusCode::UNAVAILABLE, "the queue is full")
        .Reason("QUEUE_FULL")
        .RetryIn(2000)
        .Build();
  }});
  const Ran ran = Generate(server, {});
  EXPECT_EQ(ran.error,
            "stride: UNAVAILABLE: the queue is full (reason QUEUE_FULL, retry in 2.00 s)\n");
  EXPECT_EQ(ran.exit_code, 1);
}

TEST(GenerateProgramTest, AFileThatCannotBeWrittenEndsItAtOnce) {
  const ScriptedServer server(FakeModelScript());
  const Ran ran = Generate(server, {"--max-new-tokens", "4", "--output", "/no/such/x.txt"});
  EXPECT_EQ(ran.error, "stride: cannot open '/no/such/x.txt': No such file or directory\n");
  EXPECT_EQ(ran.exit_code, 2);
}

// A stream without end.
Script EndlessScript() {
  return {.generate = [](const auto&, int, auto* writer) {
    v1::GenerateResponse message = StartedMessage();
    for (uint64_t i = 0; writer->Write(message); ++i) {
      message = DeltaMessage(0, i, "x");
      message.set_message_index(i + 1);
    }
    return grpc::Status::OK;
  }};
}

TEST(GenerateProgramTest, CtrlCCancelsTheCall) {
  for (const int signal : {SIGINT, SIGTERM}) {
    const ScriptedServer server(EndlessScript());
    RunningProgram program(CommandLine(server, {}));
    program.AwaitOutput();
    program.Signal(signal);
    const Ran ran = program.Wait();
    EXPECT_EQ(ran.exit_code, 130) << ran.error;
    EXPECT_THAT(ran.error, EndsWith("stride: interrupted\n"));
    server.AwaitCancelled(1);
  }
}

TEST(GenerateProgramTest, AClosedPipeEndsItQuietly) {
  const ScriptedServer server(EndlessScript());
  RunningProgram program(CommandLine(server, {}));
  program.AwaitOutput();
  program.CloseOutput();
  const Ran ran = program.Wait();
  EXPECT_EQ(ran.exit_code, 0);
  EXPECT_EQ(ran.error, "");
  server.AwaitCancelled(1);
}

TEST(GenerateProgramTest, TheDeadlineIsTheServersError) {
  const ScriptedServer server(EndlessScript());
  const Ran ran = Generate(server, {"--deadline", "0.1", "--quiet"});
  EXPECT_EQ(ran.error, "stride: DEADLINE_EXCEEDED: Deadline Exceeded\n");
  EXPECT_EQ(ran.exit_code, 1);
}

}  // namespace
}  // namespace strided::client
