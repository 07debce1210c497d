#include "engine/checkpoint/convert_program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/engine/checkpoint/distaug_file.h"
#include "tests/testing/temporary_directory.h"

namespace strided {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

struct Ran {
  int exit_code = -1;
  std::string out;
  std::string error;
};

// A second passes whenever somebody looks at it.
class RestlessClock final : public Clock {
 public:
  absl::Time Now() const override {
    clock_.Advance(absl::Seconds(1));
    return clock_.Now();
  }

 private:
  mutable FakeClock clock_;
};

Ran RunOn(const std::vector<std::string>& arguments, bool interrupted = false,
          bool on_terminal = false) {
  std::ostringstream out;
  std::ostringstream error;
  const std::atomic<bool> flag = interrupted;
  const RestlessClock clock;
  ConvertConsole console;
  console.out = &out;
  console.error = &error;
  console.error_is_terminal = on_terminal;
  console.clock = &clock;
  console.interrupted = &flag;
  const int code = RunConvert(arguments, console);
  return {code, out.str(), error.str()};
}

const std::vector<std::string> kLayout = {"--heads",       "2",        "--schedule",
                                          "strided,local", "--stride", "6"};

// The arguments that convert the small file, and then `more`.
std::vector<std::string> Small(const TemporaryDirectory& directory,
                               const std::vector<std::string>& more = kLayout) {
  std::vector<std::string> arguments = {
      directory.Write("run.npz", DistaugFile(SmallDistaugShapes())),
      absl::StrCat(directory.path(), "/small")};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

TEST(ConvertProgramTest, ALineSaysWhatWasMade) {
  const TemporaryDirectory directory;
  const Ran ran = RunOn(Small(directory));
  EXPECT_EQ(ran.exit_code, 0);
  EXPECT_THAT(ran.out, AllOf(StartsWith(directory.path() + "/small/1: 2 layers, "),
                             HasSubstr("fingerprint ")));
  EXPECT_THAT(ran.error, IsEmpty());
  EXPECT_TRUE(std::filesystem::exists(directory.path() + "/small/1/model.safetensors"));
}

TEST(ConvertProgramTest, AVersionCanBeNamedAndIsNotReplaced) {
  const TemporaryDirectory directory;
  std::vector<std::string> arguments = Small(directory);
  arguments.insert(arguments.end(), {"--model-version", "7", "--dtype=bfloat16", "--from=npz"});
  EXPECT_EQ(RunOn(arguments).exit_code, 0);
  EXPECT_TRUE(std::filesystem::exists(directory.path() + "/small/7/config.json"));
  const Ran again = RunOn(arguments);
  EXPECT_EQ(again.exit_code, 2);
  EXPECT_EQ(again.error,
            absl::StrCat("stride-convert: ", directory.path(),
                         "/small/7 is there already; expected a version that is not\n"));
}

TEST(ConvertProgramTest, WrongArgumentsAreNamed) {
  const TemporaryDirectory directory;
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases = {
      {{"--preset", "c10"}, "preset is \"c10\"; expected c10-15m, c10-58m, c10-150m"},
      {{"--preset", "c10-15m", "--heads", "2"}, "expected none of these beside it"},
      {{"--heads", "2"}, "expected all three, or --preset"},
      {{"--heads", "-1", "--schedule", "local", "--stride", "6"},
       "--heads is -1; expected an integer from 1 to 1024"},
      {{"--heads", "2", "--schedule", "local", "--stride", "99999999999"},
       "--stride is 99999999999; expected an integer from 1 to 67108864"},
      {{"--heads", "2", "--schedule", "fixed", "--stride", "6"}, "schedule has \"fixed\""},
      {{"--dtype", "int8"}, "--dtype is \"int8\"; expected float32 or bfloat16"},
      {{"--from", "pt"}, "from is \"pt\"; expected auto or npz"},
      {{"--model-version", "0"}, "--model-version is 0; expected an integer from 1"},
      {{"--unknown"}, "--unknown"},
      {{}, "does not say which heads, schedule and stride it has"},
      {{"--preset", "c10-58m"}, "expected [256, 256], as c10-58m has it"},
      {{"--heads", "4", "--schedule", "local", "--stride", "6"}, "4 heads do not share"},
  };
  for (const auto& [more, message] : cases) {
    const Ran ran = RunOn(Small(directory, more));
    EXPECT_EQ(ran.exit_code, 2) << message;
    EXPECT_THAT(ran.error, AllOf(StartsWith("stride-convert: "), HasSubstr(message)));
    EXPECT_THAT(ran.out, IsEmpty());
  }
}

TEST(ConvertProgramTest, AFileOfAnotherKindIsRefused) {
  const TemporaryDirectory directory;
  std::vector<std::string> arguments = Small(directory);
  arguments[0] = directory.Write("run.pt", "a pickle");
  EXPECT_EQ(RunOn(arguments).exit_code, 2);
  EXPECT_THAT(RunOn(arguments).error, HasSubstr("is of no kind that is known"));
  arguments[0] = directory.path();
  EXPECT_THAT(RunOn(arguments).error, HasSubstr("is not a regular file"));
  arguments[0] = directory.path() + "/nothing.npz";
  EXPECT_EQ(RunOn(arguments).exit_code, 2);
}

TEST(ConvertProgramTest, OutputThatCannotBeWrittenIsAFailure) {
  const TemporaryDirectory directory;
  std::vector<std::string> arguments = Small(directory);
  arguments[1] = arguments[0];  // a file, where a directory is to be
  const Ran ran = RunOn(arguments);
  EXPECT_EQ(ran.exit_code, 1) << ran.error;
  EXPECT_THAT(ran.error, StartsWith("stride-convert: FAILED_PRECONDITION: " + arguments[1]));
}

TEST(ConvertProgramTest, AnInterruptLeavesNothing) {
  const TemporaryDirectory directory;
  const Ran ran = RunOn(Small(directory), /*interrupted=*/true);
  EXPECT_EQ(ran.exit_code, 130);
  EXPECT_EQ(ran.error, "stride-convert: interrupted\n");
  EXPECT_TRUE(std::filesystem::is_empty(directory.path() + "/small"));
}

TEST(ConvertProgramTest, ATerminalShowsProgressThatGoesAway) {
  const TemporaryDirectory directory;
  const Ran ran = RunOn(Small(directory), /*interrupted=*/false, /*on_terminal=*/true);
  EXPECT_EQ(ran.exit_code, 0);
  EXPECT_THAT(ran.error, AllOf(HasSubstr("100 %  0.0 of 0.0 MiB"), EndsWith("\r\x1b[K")));
}

TEST(ConvertProgramTest, HelpAndVersionAreAnswers) {
  EXPECT_EQ(RunOn({"--help"}).exit_code, 0);
  EXPECT_THAT(RunOn({"--help"}).out, HasSubstr("--preset"));
  EXPECT_THAT(RunOn({"--version"}).out, StartsWith("stride-convert "));
}

}  // namespace
}  // namespace strided
