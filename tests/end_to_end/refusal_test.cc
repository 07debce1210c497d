// What the program says, and with which code it ends, where it cannot serve.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/end_to_end/running_server.h"
#include "tests/testing/config_text.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Outcome {
  int code;
  std::string output;
};

Outcome RunToItsEnd(std::vector<std::string> arguments,
                    const std::map<std::string, std::string>& variables = {}) {
  arguments.insert(arguments.begin(), StridedProgram());
  ChildProcess process(arguments, variables);
  const absl::StatusOr<int> code = process.AwaitExit();
  EXPECT_OK(code);
  return {code.value_or(-1), process.output()};
}

// The reason of the last line of the log, "cannot start".
std::string ReasonIn(const Outcome& outcome) {
  const size_t line = outcome.output.find("\"cannot start\"");
  if (line == std::string::npos) return "no such line: " + outcome.output;
  const size_t start = outcome.output.rfind('\n', line) + 1;  // npos + 1 is 0
  return nlohmann::json::parse(outcome.output.substr(start))["reason"];
}

// Where the server looks for models and listens, if it comes to that.
std::vector<std::string> Over(const TemporaryDirectory& models,
                              std::vector<std::string> arguments = {}) {
  arguments.insert(arguments.end(), {"--model_repository=" + models.path(), "--threads=1",
                                     "--metrics_listen=off", "--drain_delay=0s"});
  if (!arguments.front().starts_with("--listen")) arguments.push_back("--listen=127.0.0.1:0");
  return arguments;
}

TEST(RefusalTest, AnAnswerThatCannotBeWrittenIsAnError) {
  ChildProcess process({"/bin/sh", "-c", StridedProgram() + " --version > /dev/full"});
  EXPECT_THAT(process.AwaitExit(), IsOkAndHolds(1));
  EXPECT_EQ(process.output(), "strided: standard output: No space left on device\n");
}

TEST(RefusalTest, ASettingThatIsWrongIsNamedWithItsValueAndItsRange) {
  const TemporaryDirectory directory;
  const std::string file = directory.Write("bad.toml", "thread = 1\n");
  struct Case {
    std::vector<std::string> arguments;
    std::map<std::string, std::string> variables;
    std::string text;
  };
  for (const Case& wrong : std::vector<Case>{
           {{}, {}, "model_repository is not set; expected a directory"},
           {{"--threads=-1"}, {}, "threads is \"-1\" (--threads); expected 0 to 1024"},
           {{},
            {{"STRIDED_MAX_SEQUENCES", "many"}},
            "max_sequences is \"many\" (STRIDED_MAX_SEQUENCES); expected auto, or 1 to 4096"},
           {{"--config=" + file}, {}, file + ": \"thread\" is no setting; see --help"},
           {{"--config=/nonexistent"}, {}, "/nonexistent: No such file or directory"},
           {{"--verbose"}, {}, "unknown argument \"--verbose\"; see --help"},
           {{"--listen=50051"},
            {},
            "listen is \"50051\" (--listen); expected host:port with a port from 0 to 65535"},
       }) {
    const Outcome outcome = RunToItsEnd(wrong.arguments, wrong.variables);
    EXPECT_EQ(outcome.code, 2) << wrong.text;
    EXPECT_EQ(outcome.output, "strided: " + wrong.text + "\n");
  }
}

TEST(RefusalTest, HelpAndVersionEndWell) {
  EXPECT_THAT(RunToItsEnd({"--help"}).output, HasSubstr("--model_repository"));
  EXPECT_EQ(RunToItsEnd({"--help"}).code, 0);
  EXPECT_THAT(RunToItsEnd({"--version"}).output, StartsWith("strided "));
  EXPECT_EQ(RunToItsEnd({"--version"}).code, 0);
}

TEST(RefusalTest, ARepositoryMustHoldModels) {
  const TemporaryDirectory models;
  const Outcome empty = RunToItsEnd(Over(models, {"--log_severity=info"}));
  EXPECT_EQ(empty.code, 1);
  EXPECT_EQ(ReasonIn(empty),
            absl::StrCat("model_repository ", models.path(),
                         " holds no model; expected directories <model>/<version> with a "
                         "config.json"));
  const Outcome missing = RunToItsEnd({"--model_repository=/nonexistent", "--metrics_listen="});
  EXPECT_EQ(missing.code, 1);
  EXPECT_EQ(ReasonIn(missing), "model_repository /nonexistent does not exist");
}

TEST(RefusalTest, AModelThatCannotBeLoadedIsNamed) {
  const TemporaryDirectory models;
  WriteTextModel(models);
  models.Write("broken/1/config.json", SmallConfigText(R"({"n_layer": 0})"));
  const Outcome outcome = RunToItsEnd(Over(models, {"--log_severity=info"}));
  EXPECT_EQ(outcome.code, 1);
  EXPECT_THAT(ReasonIn(outcome), AllOf(StartsWith(models.path() + "/broken/1/config.json"),
                                       HasSubstr("n_layer is 0; expected ")));
}

TEST(RefusalTest, AModelThatCannotBeLoadedNeedNotKeepTheOthersFromServing) {
  const TemporaryDirectory models;
  WriteTextModel(models);
  models.Write("broken/one/config.json", "{}");
  RunningServer server({"--model_repository=" + models.path(), "--on_model_failure=serve"});
  ASSERT_TRUE(server.ready());
  v1::GenerateRequest request = RequestFor(5);
  request.set_model("text");
  EXPECT_EQ(Generate(*server.NewStub(), request).raw.size(), 5u);
  request.set_model("broken");
  const grpc::Status refused = Generate(*server.NewStub(), request).status;
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_EQ(ReasonOf(refused), "MODEL_FAILED");
  EXPECT_EQ(server.Series(R"(strided_model_state{model="broken",state="failed",version=""})"), 1);
}

TEST(RefusalTest, ADeviceThatIsNotThereIsNamed) {
  const TemporaryDirectory models;
  WriteTextModel(models);
  for (const char* argument : {"--device=cuda:999", "--devices=cuda:999"}) {
    const Outcome outcome = RunToItsEnd(Over(models, {argument}));
    EXPECT_EQ(outcome.code, 1);
    EXPECT_THAT(ReasonIn(outcome),
                AllOf(StartsWith("device is \"cuda:999\", "), HasSubstr("; expected auto")));
  }
}

TEST(RefusalTest, APortInUseIsNamed) {
  RunningServer other;
  ASSERT_TRUE(other.ready());
  const TemporaryDirectory models;
  WriteTextModel(models);
  const Outcome outcome = RunToItsEnd(Over(models, {"--listen=" + other.address()}));
  EXPECT_EQ(outcome.code, 1);
  EXPECT_EQ(ReasonIn(outcome), "cannot listen on " + other.address() + ": Address already in use");

  const Outcome metrics =
      RunToItsEnd({"--model_repository=" + models.path(), "--listen=127.0.0.1:0",
                   "--metrics_listen=" + other.address()});
  EXPECT_EQ(metrics.code, 1);
  EXPECT_EQ(ReasonIn(metrics), "cannot listen on " + other.address() + ": Address already in use");
}

}  // namespace
}  // namespace strided
