// The command line of the real program: help, errors of usage, models, health.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/client/cpp/command/run_stride.h"
#include "tests/client/cpp/scripted_server.h"
#include "tests/testing/temporary_directory.h"

namespace strided::client {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

Ran Stride(std::vector<std::string> arguments,
           const std::map<std::string, std::string>& environment = {}) {
  arguments.insert(arguments.begin(), STRIDE_PROGRAM);
  return RunningProgram(arguments, "", environment).Wait();
}

TEST(StrideProgramTest, HelpIsAnAnswerAndNotAnError) {
  const Ran all = Stride({"--help"});
  EXPECT_EQ(all.exit_code, 0);
  EXPECT_EQ(all.error, "");
  for (const char* word : {"generate", "score", "models", "health", "Exit codes"}) {
    EXPECT_THAT(all.out, HasSubstr(word));
  }
  const Ran generate = Stride({"generate", "--help"});
  EXPECT_EQ(generate.exit_code, 0);
  EXPECT_THAT(generate.out, HasSubstr("--top-p"));
  EXPECT_THAT(generate.out, HasSubstr("Examples:"));
}

TEST(StrideProgramTest, ErrorsOfUsageAreOneLineAndExitCodeTwo) {
  const std::vector<std::pair<std::vector<std::string>, std::string>> table = {
      {{}, "a command is needed: generate, score, models, health or version"},
      {{"sing"}, "unknown argument 'sing'; see stride --help"},
      {{"generate", "--tpo-k", "3"}, "unknown argument '--tpo-k'; see stride generate --help"},
      {{"generate", "words"}, "unknown argument 'words'; see stride generate --help"},
      {{"generate", "--top-k", "x"}, "--top-k: 'x' is not a whole number from 0 to 4294967295"},
      {{"generate", "--temperature", "hot"}, "--temperature: 'hot' is not a number"},
      {{"generate", "--stop", "\\q"},
       "--stop: '\\q' is not text with C escapes (\\n, \\t, \\x1b, \\\\)"},
      {{"generate", "--logit-bias", "65"}, "--logit-bias: '65' is not of the form name=value"},
      {{"generate", "--condition", "horse"}, "--condition: 'horse' is not of the form name=value"},
      {{"generate", "--condition", "a=99999999999"},
       "--condition: '99999999999' is not a whole number from 0 to 4294967295"},
      {{"generate", "--logit-bias", "65=1", "--logit-bias", "65=2"},
       "--logit-bias: 65 is there twice"},
      {{"generate", "--condition", "a=1", "--condition", "a=2"}, "--condition: 'a' is there twice"},
      {{"generate", "--allowed-ids", ""}, "--allowed-ids: the value is empty"},
      {{"generate", "--deadline="}, "--deadline: the value is empty"},
      {{"generate", "--token-file", ""}, "--token-file: the value is empty"},
      {{"generate", "--prompt=", "--deadline="}, "--deadline: the value is empty"},
      {{"generate", "--model", "\xff"}, "--model: the value is not UTF-8"},
      {{"generate", "models"}, "unknown argument 'models'; see stride generate --help"},
      {{"generate", "--address", "127.0.0.1"},
       "'127.0.0.1' does not end in a port from 1 to 65535 "
       "(--address, --tls, --plaintext, --token-file)"},
      {{"generate", "--hop", "4"}, "--hop needs --length"},
      {{"generate", "--length", "9", "--max-new-tokens", "9"},
       "--length and --max-new-tokens exclude each other"},
      {{"generate", "--length", "9", "--hop", "1.5"},
       "--hop: '1.5' is neither a part of the context, above 0 and below 1, nor a number of "
       "tokens"},
      {{"generate", "--time-limit", "0"},
       "--time-limit: '0' is not a time above 0 and below 2^63 seconds"},
      {{"generate", "--prompt-file", "/no/such"},
       "cannot open '/no/such': No such file or directory"},
      {{"generate", "--address", "10.1.2.3:1"},
       "'10.1.2.3:1' may be another machine: choose TLS, or allow plain text explicitly "
       "(--address, --tls, --plaintext, --token-file)"},
      {{"generate", "--tls-roots", "/no/such"},
       "cannot open '/no/such': No such file or directory"},
      {{"score"}, "score: a file is needed; see stride score --help"},
      {{"score", "--parallel", "0", "x"}, "--parallel: 0 is not 1 to 256"},
      {{"score", "--window", "-1", "x"},
       "--window: '-1' is not a whole number from 0 to 4294967295"},
      {{"models", "--deadline", "soon"}, "--deadline: 'soon' is not a time such as 90, 1.5s or 2m"},
  };
  for (const auto& [arguments, expected] : table) {
    const Ran ran = Stride(arguments);
    EXPECT_EQ(ran.error, "stride: " + expected + "\n");
    EXPECT_EQ(ran.exit_code, 2) << expected;
    EXPECT_EQ(ran.out, "");
  }
}

TEST(StrideProgramTest, AFlagWithoutItsValueIsNamed) {
  const Ran ran = Stride({"generate", "--top-k"});
  EXPECT_THAT(ran.error, StartsWith("stride: --top-k: "));
  EXPECT_EQ(ran.exit_code, 2);
}

TEST(StrideProgramTest, NoServerIsExitCodeThree) {
  for (const char* command : {"generate", "models", "health"}) {
    const Ran ran = Stride({command, "--address", "127.0.0.1:1"});
    EXPECT_THAT(ran.error, StartsWith("stride: UNAVAILABLE: ")) << command;
    EXPECT_EQ(ran.exit_code, 3) << command;
  }
}

TEST(StrideProgramTest, TheAddressMayComeFromTheEnvironment) {
  const ScriptedServer server({.models = {TextModel("text", 9)}});
  const Ran ran = Stride({"models"}, {{"STRIDED_ADDRESS", server.address()}});
  EXPECT_EQ(ran.exit_code, 0) << ran.error;
  EXPECT_THAT(ran.out, HasSubstr("text"));
  const Ran other =
      Stride({"models", "--address", "127.0.0.1:1"}, {{"STRIDED_ADDRESS", server.address()}});
  EXPECT_EQ(other.exit_code, 3);
}

TEST(StrideProgramTest, TheTokenComesFromAFileOrTheEnvironment) {
  const ScriptedServer server({});
  const TemporaryDirectory directory;
  const std::string file = directory.Write("token", "from-file\n");
  EXPECT_EQ(Stride({"models", "--address", server.address(), "--token-file", file}).exit_code, 0);
  EXPECT_EQ(server.last_authorization(), "Bearer from-file");
  EXPECT_EQ(Stride({"models", "--address", server.address()}, {{"STRIDED_TOKEN", "t"}}).exit_code,
            0);
  EXPECT_EQ(server.last_authorization(), "Bearer t");
}

TEST(StrideProgramTest, HealthIsAWordAndAnExitCode) {
  ScriptedServer server({});
  const Ran serving = Stride({"health", "--address", server.address()});
  EXPECT_EQ(serving.out, "SERVING\n");
  EXPECT_EQ(serving.exit_code, 0);
  server.SetServing(false);
  const Ran not_serving = Stride({"health", "--address", server.address()});
  EXPECT_EQ(not_serving.error, "stride: UNAVAILABLE: the server is NOT_SERVING\n");
  EXPECT_EQ(not_serving.exit_code, 3);
}

TEST(StrideProgramTest, ATextMayBeEmpty) {
  const ScriptedServer server({.models = {TextModel("text", 9)}});
  Stride({"generate", "--address", server.address(), "--prompt=", "--echo"});
  ASSERT_EQ(server.generate_requests().size(), 1u);
  EXPECT_EQ(server.generate_requests().front().prompt().raw(), "");
  EXPECT_TRUE(server.generate_requests().front().output().echo_prompt());
}

TEST(StrideProgramTest, AnOutputThatCannotBeWrittenHasNoCodeOfTheServer) {
  const Ran ran =
      RunningProgram({"/bin/sh", "-c", std::string(STRIDE_PROGRAM) + " version > /dev/full"}, "",
                     {})
          .Wait();
  EXPECT_EQ(ran.error, "stride: cannot write 'standard output': No space left on device\n");
  EXPECT_EQ(ran.exit_code, 1);
}

TEST(StrideProgramTest, TheVersionIsOneLine) {
  for (const char* asked : {"version", "--version"}) {
    const Ran ran = Stride({asked});
    EXPECT_THAT(ran.out, StartsWith("stride "));
    EXPECT_THAT(ran.out, EndsWith(" (strided.v1)\n"));
    EXPECT_EQ(ran.exit_code, 0);
  }
}

}  // namespace
}  // namespace strided::client
