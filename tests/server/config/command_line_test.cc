#include "server/config/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/config/setting_table.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace strided {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

// The settings of `arguments` beside a repository, which must be given.
absl::StatusOr<ServerSettings> Parse(std::vector<std::string> arguments,
                                     const Environment& environment = {}) {
  arguments.push_back("--model_repository=/models");
  ASSIGN_OR_RETURN(CommandLine line, ParseCommandLine(arguments, environment, "1.2.3"));
  return std::move(line.settings);
}

std::string AnswerTo(const std::string& argument) {
  const absl::StatusOr<CommandLine> line =
      ParseCommandLine({argument, "--model_repository=/models"}, {}, "1.2.3");
  EXPECT_OK(line);
  return line.ok() ? line->answer.value_or("(no answer)") : "";
}

TEST(CommandLineTest, WithoutArgumentsTheDefaultsHold) {
  ASSERT_OK_AND_ASSIGN(const ServerSettings settings, Parse({}));
  EXPECT_THAT(settings.listen.addresses, ElementsAre("127.0.0.1:50051"));
  EXPECT_EQ(settings.listen.max_receive_bytes, 16 << 20);
  EXPECT_EQ(settings.metrics.address, "127.0.0.1:9464");
  EXPECT_EQ(settings.drain.delay, absl::Seconds(5));
  EXPECT_EQ(settings.models.repository, "/models");
}

TEST(CommandLineTest, EveryKindOfValueIsRead) {
  ASSERT_OK_AND_ASSIGN(
      const ServerSettings settings,
      Parse({"--max_sequences=12", "--drain_delay", "250ms", "--cache_bytes=64MiB",
             "--weight_format=int8", "--decode_path=graph", "--cache_format=int8"}));
  EXPECT_EQ(settings.scheduling.max_sequences, 12);
  EXPECT_EQ(settings.drain.delay, absl::Milliseconds(250));
  EXPECT_EQ(settings.models.cache_bytes, 64 << 20);
  EXPECT_EQ(settings.models.weight_format, "int8");
  EXPECT_EQ(settings.models.decode_path, "graph");
  EXPECT_EQ(settings.models.cache_format, "int8");
}

TEST(CommandLineTest, AddressesAreRepeatedOrSeparatedByCommas) {
  ASSERT_OK_AND_ASSIGN(const ServerSettings settings,
                       Parse({"--listen=127.0.0.1:1,unix:/a", "--listen", "[::1]:2"}));
  EXPECT_THAT(settings.listen.addresses, ElementsAre("127.0.0.1:1", "unix:/a", "[::1]:2"));
}

TEST(CommandLineTest, SeveralDevicesTakeThePlaceOfOne) {
  ASSERT_OK_AND_ASSIGN(ServerSettings settings, Parse({}));
  EXPECT_EQ(settings.models.device, "auto");
  EXPECT_THAT(settings.models.devices, IsEmpty());
  ASSERT_OK_AND_ASSIGN(settings, Parse({"--devices=cuda:0,cuda:1", "--devices", "cuda:5"}));
  EXPECT_THAT(settings.models.devices, ElementsAre("cuda:0", "cuda:1", "cuda:5"));
  EXPECT_OK(Parse({"--devices=all"}));
  EXPECT_OK(Parse({"--devices=", "--device=cpu"}));
  EXPECT_THAT(
      Parse({"--devices=cuda:0", "--device=cuda:1"}),
      StatusIs(kInvalid, "device is cuda:1 and devices is cuda:0; expected one of the two"));
  EXPECT_THAT(Parse({"--devices=cpu"}), StatusIs(kInvalid, HasSubstr("all, or one or more of")));
  for (const char* twice : {"--devices=cuda:1,cuda:1", "--devices=all,cuda:1"}) {
    EXPECT_THAT(Parse({twice}),
                StatusIs(kInvalid, HasSubstr("expected all alone, or each GPU once")));
  }
}

TEST(CommandLineTest, AutoIsNoNumber) {
  ASSERT_OK_AND_ASSIGN(
      ServerSettings settings,
      Parse({"--max_sequences=auto", "--cache_bytes=auto"}, {{"STRIDED_MAX_SEQUENCES", "5"}}));
  EXPECT_EQ(settings.scheduling.max_sequences, std::nullopt);
  EXPECT_EQ(settings.scheduling.prefill_rows_per_step, std::nullopt);
  EXPECT_EQ(settings.models.cache_bytes, std::nullopt);
  EXPECT_THAT(
      Parse({"--prefill_rows_per_step=0"}),
      StatusIs(kInvalid,
               "prefill_rows_per_step is \"0\" (--prefill_rows_per_step); expected auto, or 1 to "
               "4096"));
}

TEST(CommandLineTest, AnEmptyMetricsAddressTurnsThemOff) {
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"--metrics_listen="}, {"--metrics_listen", ""}, {"--metrics_listen=off"}}) {
    ASSERT_OK_AND_ASSIGN(const ServerSettings settings, Parse(arguments));
    EXPECT_EQ(settings.metrics.address, "");
  }
}

TEST(CommandLineTest, TheCommandLineWinsOverTheEnvironmentAndThatOverTheFile) {
  const TemporaryDirectory directory;
  const std::string file = directory.Write(
      "strided.toml", "threads = 1\nmax_sequences = 1\nmax_requests = 1 # a comment\n");
  ASSERT_OK_AND_ASSIGN(const ServerSettings settings,
                       Parse({"--threads=3", "--config=" + file},
                             {{"STRIDED_THREADS", "2"}, {"STRIDED_MAX_SEQUENCES", "2"}}));
  EXPECT_EQ(settings.models.threads, 3);
  EXPECT_EQ(settings.scheduling.max_sequences, 2);
  EXPECT_EQ(settings.scheduling.max_requests, 1);
}

TEST(CommandLineTest, AListReplacesTheOneBelowIt) {
  const TemporaryDirectory directory;
  const std::string file =
      directory.Write("strided.toml", "listen = [\"127.0.0.1:1\", \"unix:/a\"]\n");
  ASSERT_OK_AND_ASSIGN(ServerSettings settings, Parse({}, {{"STRIDED_CONFIG", file}}));
  EXPECT_THAT(settings.listen.addresses, ElementsAre("127.0.0.1:1", "unix:/a"));
  ASSERT_OK_AND_ASSIGN(settings, Parse({"--listen=127.0.0.1:3"}, {{"STRIDED_CONFIG", file}}));
  EXPECT_THAT(settings.listen.addresses, ElementsAre("127.0.0.1:3"));
}

TEST(CommandLineTest, AnErrorNamesTheValueItsSourceAndTheLimit) {
  EXPECT_THAT(Parse({"--threads=1025"}),
              StatusIs(kInvalid, "threads is \"1025\" (--threads); expected 0 to 1024"));
  EXPECT_THAT(Parse({}, {{"STRIDED_DRAIN_DELAY", "5"}}),
              StatusIs(kInvalid,
                       "drain_delay is \"5\" (STRIDED_DRAIN_DELAY); expected a time with its unit, "
                       "from 0 to 1h"));
  const TemporaryDirectory directory;
  const std::string file = directory.Write("strided.toml", "device = \"tpu\"\n");
  EXPECT_THAT(Parse({"--config", file}),
              StatusIs(kInvalid, absl::StrCat("device is \"tpu\" (", file,
                                              "); expected auto, cpu, cuda or cuda:N")));
}

TEST(CommandLineTest, ASettingGivenTwiceIsAnError) {
  EXPECT_THAT(Parse({"--threads=1", "--threads=2"}),
              StatusIs(kInvalid, "threads is \"1,2\" (--threads); expected one value"));
  const TemporaryDirectory directory;
  const std::string file = directory.Write("strided.toml", "threads = 1\nthreads = 2\n");
  EXPECT_THAT(
      Parse({"--config", file}),
      StatusIs(kInvalid, absl::StrCat("threads is \"1,2\" (", file, "); expected one value")));
}

TEST(CommandLineTest, OneFileOfSettingsIsRead) {
  EXPECT_THAT(Parse({"--config="}),
              StatusIs(kInvalid, "config is \"\" (--config); expected one file"));
  EXPECT_THAT(Parse({"--config=a", "--config=b"}),
              StatusIs(kInvalid, "config is \"a,b\" (--config); expected one file"));
  EXPECT_THAT(Parse({}, {{"STRIDED_CONFIG", ""}}),
              StatusIs(kInvalid, "config is \"\" (STRIDED_CONFIG); expected one file"));
}

TEST(CommandLineTest, WhatIsNoSettingIsAnError) {
  EXPECT_THAT(Parse({"--thread=1"}),
              StatusIs(kInvalid, "unknown argument \"--thread=1\"; see --help"));
  EXPECT_THAT(Parse({"models"}), StatusIs(kInvalid, "unknown argument \"models\"; see --help"));
  const TemporaryDirectory directory;
  const std::string key = directory.Write("key.toml", "thread = 1\n");
  EXPECT_THAT(Parse({"--config", key}),
              StatusIs(kInvalid, key + ": \"thread\" is no setting; see --help"));
  const std::string section = directory.Write("section.toml", "[models]\nthreads = 1\n");
  EXPECT_THAT(Parse({"--config", section}),
              StatusIs(kInvalid, section + ":1: a section; expected none"));
}

TEST(CommandLineTest, VariablesOfOthersAreLeftAlone) {
  EXPECT_OK(Parse({}, {{"STRIDED_PORT", "tcp://10.0.0.7:50051"}}));
}

TEST(CommandLineTest, AConfigurationFileMustBeReadable) {
  const TemporaryDirectory directory;
  EXPECT_THAT(Parse({"--config", directory.path() + "/none"}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(directory.path() + "/none")));
  EXPECT_THAT(Parse({"--config", directory.path()}),
              StatusIs(kInvalid, HasSubstr("is not a regular file")));
}

TEST(CommandLineTest, TheRepositoryMustBeGiven) {
  EXPECT_THAT(ParseCommandLine({}, {}, "1.2.3"),
              StatusIs(kInvalid, "model_repository is not set; expected a directory"));
}

TEST(CommandLineTest, LimitsThatFollowEachOtherMustBeInOrder) {
  EXPECT_THAT(
      Parse({"--paused_slot_limit=10s", "--paused_request_limit=9s"}),
      StatusIs(kInvalid, "paused_request_limit is 9s; expected at least paused_slot_limit, 10s"));
  EXPECT_THAT(Parse({"--slow_step_limit=3s", "--hung_step_limit=1s"}),
              StatusIs(kInvalid, "hung_step_limit is 1s; expected at least slow_step_limit, 3s"));
}

TEST(CommandLineTest, HelpNamesEverySettingAndItsDefault) {
  const std::string help = AnswerTo("--help");
  ServerSettings defaults;
  for (const Setting& setting : SettingTable(defaults)) {
    EXPECT_THAT(help, AllOf(HasSubstr(absl::StrCat("--", setting.name)),
                            HasSubstr(absl::StrCat("(default ", setting.text(), ")"))));
  }
}

TEST(CommandLineTest, TheVersionIsAnswered) { EXPECT_EQ(AnswerTo("--version"), "1.2.3\n"); }

TEST(CommandLineTest, WhatIsPrintedCanBeReadAsAFile) {
  const TemporaryDirectory directory;
  const std::vector<std::string> arguments = {"--model_repository=/a \"b\" #\\c",
                                              "--listen=127.0.0.1:1,unix:/a",
                                              "--drain_grace=90s",
                                              "--metrics_listen=",
                                              "--gpu_memory_fraction=0.25",
                                              "--devices=cuda:1,cuda:0",
                                              "--max_sequences=9",
                                              "--print_config"};
  ASSERT_OK_AND_ASSIGN(const CommandLine first, ParseCommandLine(arguments, {}, "1.2.3"));
  const std::string file = directory.Write("strided.toml", *first.answer);
  ASSERT_OK_AND_ASSIGN(const CommandLine second,
                       ParseCommandLine({"--config", file, "--print_config"}, {}, "1.2.3"));
  EXPECT_EQ(*second.answer, *first.answer);
  EXPECT_EQ(second.settings.models.repository, "/a \"b\" #\\c");
  EXPECT_THAT(second.settings.listen.addresses, ElementsAre("127.0.0.1:1", "unix:/a"));
  EXPECT_EQ(second.settings.drain.grace, absl::Seconds(90));
  EXPECT_EQ(second.settings.models.gpu_memory_fraction, 0.25);
  EXPECT_THAT(second.settings.models.devices, ElementsAre("cuda:1", "cuda:0"));
  EXPECT_EQ(second.settings.scheduling.max_sequences, 9);
  EXPECT_EQ(second.settings.scheduling.prefill_rows_per_step, std::nullopt);
}

TEST(CommandLineTest, TheDefaultsThatArePrintedCanBeReadAsAFile) {
  const TemporaryDirectory directory;
  ASSERT_OK_AND_ASSIGN(const CommandLine first,
                       ParseCommandLine({"--model_repository=/a", "--print_config"}, {}, "1.2.3"));
  const std::string file = directory.Write("strided.toml", *first.answer);
  ASSERT_OK_AND_ASSIGN(const CommandLine second,
                       ParseCommandLine({"--config", file, "--print_config"}, {}, "1.2.3"));
  EXPECT_EQ(*second.answer, *first.answer);
}

}  // namespace
}  // namespace strided
