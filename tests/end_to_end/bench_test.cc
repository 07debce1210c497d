// `stride-bench` against the real server.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/end_to_end/running_server.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using ::testing::Gt;

struct BenchOutcome {
  int code = -1;
  nlohmann::json result;
};

// One run of it, with `flags`.
class RunningBench {
 public:
  RunningBench(const RunningServer& server, const std::vector<std::string>& flags)
      : process_(CommandLine(server, flags)) {}

  void Interrupt() const { process_.Signal(SIGINT); }
  BenchOutcome AwaitEnd() {
    const absl::StatusOr<int> code = process_.AwaitExit();
    EXPECT_OK(code);
    std::ifstream file(path());
    return {code.value_or(-1), nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false)};
  }

 private:
  std::string path() const { return directory_.path() + "/result.json"; }
  std::vector<std::string> CommandLine(const RunningServer& server,
                                       const std::vector<std::string>& flags) const {
    std::vector<std::string> line = {STRIDE_BENCH_PROGRAM, "--address", server.address(), "--json",
                                     path()};
    line.insert(line.end(), flags.begin(), flags.end());
    return line;
  }

  const TemporaryDirectory directory_;
  ChildProcess process_;
};

BenchOutcome Bench(const RunningServer& server, const std::vector<std::string>& flags) {
  return RunningBench(server, flags).AwaitEnd();
}

TEST(BenchTest, AThousandStreamsAreServedAndCounted) {
  // As many places as streams: a stream that goes on at once finds the place of its last request.
  RunningServer server({"--max_sequences=64", "--max_requests=1024"});
  ASSERT_TRUE(server.ready());
  const BenchOutcome bench =
      Bench(server, {"--streams", "1024", "--requests", "2048", "--prompt-tokens", "5",
                     "--max-new-tokens", "20", "--channels", "4"});
  EXPECT_EQ(bench.code, 0);
  EXPECT_EQ(bench.result["requests"]["ok"], 2048);
  EXPECT_EQ(bench.result["tokens"], 2048 * 20);
  EXPECT_EQ(bench.result["time_to_first_token"]["count"], 2048);
  EXPECT_TRUE(Eventually([&] { return server.NothingIsLeft(); }));
  // What the client counts is what the server counts.
  EXPECT_EQ(
      server.Series(R"(strided_generated_tokens_total{modality="text",model="text",version="1"})"),
      2048 * 20);
  EXPECT_EQ(
      server.Series(R"(strided_prompt_tokens_total{modality="text",model="text",version="1"})"),
      2048 * 5);
}

TEST(BenchTest, AFullQueueIsRefusedAndTheRefusalsAreCounted) {
  RunningServer server({"--max_requests=2", "--max_sequences=1"});
  ASSERT_TRUE(server.ready());
  const BenchOutcome bench =
      Bench(server, {"--streams", "8", "--requests", "16", "--max-new-tokens", "5000"});
  EXPECT_EQ(bench.code, 1);
  EXPECT_THAT(static_cast<int>(bench.result["requests"]["refused"]), Gt(0));
  EXPECT_EQ(bench.result["requests"]["failed"], 0);
  ASSERT_EQ(bench.result["errors"].size(), 1u);
  EXPECT_EQ(bench.result["errors"][0]["code"], "UNAVAILABLE");
  EXPECT_EQ(bench.result["errors"][0]["reason"], "QUEUE_FULL");
}

TEST(BenchTest, ScoresAreCounted) {
  RunningServer server;
  ASSERT_TRUE(server.ready());
  const BenchOutcome bench =
      Bench(server, {"--score", "--streams", "2", "--requests", "6", "--prompt-tokens", "100"});
  EXPECT_EQ(bench.code, 0);
  EXPECT_EQ(bench.result["requests"]["ok"], 6);
  EXPECT_EQ(bench.result["tokens"], 600);
}

TEST(BenchTest, WhatRunsAtTheEndIsCutAndFreed) {
  RunningServer server;
  ASSERT_TRUE(server.ready());
  RunningBench bench(server, {"--streams", "4", "--duration", "24h"});
  EXPECT_TRUE(Eventually([&] {
    return server.Series(R"(strided_sequences_running{model="text",version="1"})") == 4;
  }));
  bench.Interrupt();
  const BenchOutcome outcome = bench.AwaitEnd();
  EXPECT_EQ(outcome.code, 130);
  EXPECT_EQ(outcome.result["requests"]["cut"], 4);
  EXPECT_TRUE(Eventually([&] { return server.NothingIsLeft(); }));
}

}  // namespace
}  // namespace strided
