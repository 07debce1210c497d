// The program `stride-bench` against scripted servers.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <fstream>

#include "client/cpp/output/json.h"
#include "tests/client/cpp/command/run_stride.h"
#include "tests/client/cpp/fake_model.h"
#include "tests/client/cpp/rich_status.h"
#include "tests/client/cpp/scripted_server.h"
#include "tests/testing/temporary_directory.h"

namespace strided::client {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

Script FakeModel() {
  Script script = {.models = {TextModel("text", 1'000)}};
  script.generate = [](const v1::GenerateRequest& request, int, Script::GenerateWriter* writer) {
    return StreamFakeModel(request, writer);
  };
  return script;
}

std::vector<std::string> CommandLine(const std::string& address,
                                     const std::vector<std::string>& flags) {
  std::vector<std::string> argv = {STRIDE_BENCH_PROGRAM, "--address", address};
  argv.insert(argv.end(), flags.begin(), flags.end());
  return argv;
}

Ran Bench(const std::string& address, const std::vector<std::string>& flags) {
  return RunningProgram(CommandLine(address, flags)).Wait();
}

TEST(BenchProgramTest, TheTableIsPrintedAndTheJsonWritten) {
  const ScriptedServer server(FakeModel());
  const TemporaryDirectory directory;
  const std::string path = directory.path() + "/result.json";
  const Ran ran = Bench(server.address(),
                        {"--streams", "3", "--requests", "12", "--json", path, "--max-new-tokens",
                         "5", "--samples", "2", "--seed", "4", "--max-tokens-per-message", "1"});
  EXPECT_EQ(ran.exit_code, 0) << ran.error;
  EXPECT_EQ(ran.error, "");
  EXPECT_THAT(ran.out, HasSubstr("requests     ok 12, refused 0, failed 0, cut at the end 0\n"));
  EXPECT_THAT(ran.out, HasSubstr("\ntime to first token "));
  std::ifstream file(path);
  const Json json = Json::parse(file, nullptr, /*allow_exceptions=*/false);
  EXPECT_EQ(json["requests"]["ok"], 12);
  EXPECT_EQ(json["tokens"], 12 * 2 * 5);
  const v1::GenerateRequest request = server.generate_requests().front();
  EXPECT_EQ(request.sampling().seed(), 4u);
  EXPECT_EQ(request.output().max_tokens_per_message(), 1u);
}

TEST(BenchProgramTest, JsonToStandardOutputStandsAlone) {
  const ScriptedServer server(FakeModel());
  const Ran ran =
      Bench(server.address(), {"--requests", "2", "--max-new-tokens", "5", "--json", "-",
                               "--threads", "2", "--streams", "2", "--prompt-tokens", "7"});
  const Json json = Json::parse(ran.out, nullptr, /*allow_exceptions=*/false);
  EXPECT_EQ(json["requests"]["ok"], 2);
  EXPECT_EQ(json["channels"], 2);
  EXPECT_EQ(server.generate_requests().front().prompt().raw().size(), 7u);
}

TEST(BenchProgramTest, RefusalsAreExitCodeOneAndInTheTable) {
  Script script = FakeModel();
  script.generate = [](const v1::GenerateRequest& request, int call,
                       Script::GenerateWriter* writer) -> grpc::Status {
    if (call != 1) return StreamFakeModel(request, writer);
    return RichStatus(grpc::StatusCode::UNAVAILABLE, "the queue is full")
        .Reason("QUEUE_FULL")
        .RetryIn(1)
        .Build();
  };
  const ScriptedServer server(script);
  const Ran ran = Bench(server.address(), {"--requests", "3", "--max-new-tokens", "5"});
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_THAT(ran.out, HasSubstr("requests     ok 2, refused 1, failed 0, cut at the end 0\n"
                                 "  1 x UNAVAILABLE QUEUE_FULL: the queue is full\n"));
  EXPECT_THAT(ran.error, StartsWith("stride-bench: UNAVAILABLE: 1 of 3 requests did not end well; "
                                    "the first: the queue is full (reason QUEUE_FULL"));
}

TEST(BenchProgramTest, AnInterruptionPrintsWhatWasMeasuredSoFar) {
  std::atomic<bool> running = false;
  Script script = FakeModel();
  script.generate = [&](const v1::GenerateRequest& request, int call,
                        Script::GenerateWriter* writer) {
    if (call == 20) running = true;
    running.notify_all();
    return StreamFakeModel(request, writer);
  };
  const ScriptedServer server(script);
  RunningProgram program(
      CommandLine(server.address(), {"--requests", "1000000000", "--max-new-tokens", "5"}));
  running.wait(false);
  program.Signal(SIGINT);
  const Ran ran = program.Wait();
  EXPECT_EQ(ran.exit_code, 130);
  EXPECT_EQ(ran.error, "stride-bench: interrupted\n");
  EXPECT_THAT(ran.out, HasSubstr("requests     ok "));
}

TEST(BenchProgramTest, AFileIsThePromptOfEveryRequest) {
  const ScriptedServer server(FakeModel());
  const TemporaryDirectory directory;
  const std::string file = directory.Write("prompt.txt", "Once");
  const Ran ran =
      Bench(server.address(), {"--requests", "2", "--max-new-tokens", "1", "--prompt-file", file});
  EXPECT_EQ(ran.exit_code, 0) << ran.error;
  for (const auto& request : server.generate_requests()) {
    EXPECT_EQ(request.prompt().raw(), "Once");
  }
}

TEST(BenchProgramTest, NoServerIsExitCodeThree) {
  const Ran ran = Bench("127.0.0.1:1", {"--requests", "1"});
  EXPECT_THAT(ran.error, StartsWith("stride-bench: UNAVAILABLE: "));
  EXPECT_EQ(ran.exit_code, 3);
}

TEST(BenchProgramTest, HelpNamesTheFlags) {
  const Ran ran = Bench("127.0.0.1:1", {"--help"});
  EXPECT_EQ(ran.exit_code, 0);
  for (const char* text : {"--arrival-rate", "--top-p", "--token-file", "Exit codes:"}) {
    EXPECT_THAT(ran.out, HasSubstr(text));
  }
}

TEST(BenchProgramTest, TheVersionIsOneLine) {
  const Ran ran = Bench("127.0.0.1:1", {"--version"});
  EXPECT_THAT(ran.out, StartsWith("stride-bench "));
  EXPECT_EQ(ran.exit_code, 0);
}

TEST(BenchProgramTest, ErrorsOfUsageAreOneLineAndExitCodeTwo) {
  const ScriptedServer server(FakeModel());
  const std::vector<std::pair<std::vector<std::string>, std::string>> table = {
      {{"--speed", "3"}, "unknown argument '--speed'; see stride-bench --help"},
      {{"--streams", "0"}, "--streams: 0 is not 1 to 65536"},
      {{"--streams", "x"}, "--streams: 'x' is not a whole number from 0 to 4294967295"},
      {{"--requests", "0"}, "--requests: 0 is not 1 or more"},
      {{"--requests", "1", "--duration", "1s"}, "--requests and --duration exclude each other"},
      {{"--arrival-rate", "2", "--streams", "2"},
       "--arrival-rate is an open loop: it excludes --streams and --think-time"},
      {{"--arrival-rate", "-2"}, "--arrival-rate: -2 is not greater than 0 and at most 1000000"},
      {{"--arrival-rate", "nan"}, "--arrival-rate: nan is not greater than 0 and at most 1000000"},
      {{"--arrival-rate", "1e9"},
       "--arrival-rate: 1e+09 is not greater than 0 and at most 1000000"},
      {{"--warmup", "soon"}, "--warmup: 'soon' is not a time such as 90, 1.5s or 2m"},
      {{"--streams", "3", "--threads", "4"}, "--threads: 4 is more than the streams, 3"},
      {{"--streams", "8", "--threads", "4", "--channels", "3"},
       "--channels: 3 is less than one for each of 4 threads"},
      {{"--prompt-tokens", "1", "--prompt-file", "x"},
       "--prompt-tokens and --prompt-file exclude each other"},
      {{"--prompt-tokens", "1001"},
       "--prompt-tokens: 1001 is more than the context of 'text', 1000"},
      {{"--score", "--prompt-tokens", "3", "--top-k", "1"},
       "--score takes no flags of sampling, and no --max-tokens-per-message"},
      {{"--score", "--prompt-tokens", "0"}, "--prompt-tokens: 0 is nothing to score"},
      {{"--score"}, "--score needs --prompt-tokens or --prompt-file"},
      {{"--prompt-file", "/no/such"}, "cannot open '/no/such': No such file or directory"},
      {{"--json", "/no/such/file"}, "cannot open '/no/such/file': No such file or directory"},
  };
  for (const auto& [flags, expected] : table) {
    const Ran ran = Bench(server.address(), flags);
    EXPECT_EQ(ran.error, "stride-bench: " + expected + "\n");
    EXPECT_EQ(ran.exit_code, 2) << expected;
    EXPECT_EQ(ran.out, "");
  }
  EXPECT_TRUE(server.generate_requests().empty());
}

}  // namespace
}  // namespace strided::client
