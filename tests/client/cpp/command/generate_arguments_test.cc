#include "client/cpp/command/generate_arguments.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <set>

#include "absl/strings/str_replace.h"
#include "client/cpp/command/outcome.h"
#include "tests/testing/status_matchers.h"

namespace strided::client {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

// The request that a command line means.
absl::StatusOr<v1::GenerateRequest> RequestOf(std::vector<std::string> flags) {
  GenerateArguments arguments;
  CLI::App app;
  arguments.AddTo(&app);
  std::reverse(flags.begin(), flags.end());
  app.parse(flags);
  return MakeRequest(arguments);
}

TEST(GenerateArgumentsTest, NoFlagLeavesEveryParameterToTheServer) {
  ASSERT_OK_AND_ASSIGN(const v1::GenerateRequest request, RequestOf({}));
  EXPECT_EQ(request.sampling().ByteSizeLong(), 0U);
  EXPECT_FALSE(request.has_prompt());
  EXPECT_FALSE(request.has_output());
  EXPECT_FALSE(request.has_priority());
}

TEST(GenerateArgumentsTest, EveryFieldOfSamplingParamsHasAFlag) {
  GenerateArguments arguments;
  CLI::App app;
  arguments.AddTo(&app);
  // Lists are named for one of their entries.
  const std::map<std::string, std::string> singular = {{"stop_sequences", "--stop"},
                                                       {"stop_ids", "--stop-id"}};
  const auto* descriptor = v1::SamplingParams::descriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const std::string& field = descriptor->field(i)->name();
    const auto named = singular.find(field);
    const std::string flag =
        named != singular.end() ? named->second : "--" + absl::StrReplaceAll(field, {{"_", "-"}});
    EXPECT_NE(app.get_option_no_throw(flag), nullptr) << flag;
  }
}

TEST(GenerateArgumentsTest, ScalarsAreParsedByTheTypeOfTheirField) {
  ASSERT_OK_AND_ASSIGN(const v1::GenerateRequest request, RequestOf({"--max-new-tokens",
                                                                     "5",
                                                                     "--temperature=0",
                                                                     "--top-k",
                                                                     "0",
                                                                     "--top-p",
                                                                     "0.5",
                                                                     "--min-p",
                                                                     "0.1",
                                                                     "--typical-p",
                                                                     "0.9",
                                                                     "--repetition-penalty",
                                                                     "1.5",
                                                                     "--presence-penalty",
                                                                     "-1",
                                                                     "--frequency-penalty",
                                                                     "2",
                                                                     "--seed",
                                                                     "18446744073709551615",
                                                                     "--samples",
                                                                     "3",
                                                                     "--min-new-tokens",
                                                                     "2"}));
  const v1::SamplingParams& sampling = request.sampling();
  EXPECT_EQ(sampling.max_new_tokens(), 5U);
  EXPECT_TRUE(sampling.has_temperature());
  EXPECT_TRUE(sampling.has_top_k());
  EXPECT_EQ(sampling.top_p(), 0.5F);
  EXPECT_EQ(sampling.min_p(), 0.1F);
  EXPECT_EQ(sampling.typical_p(), 0.9F);
  EXPECT_EQ(sampling.repetition_penalty(), 1.5F);
  EXPECT_EQ(sampling.presence_penalty(), -1);
  EXPECT_EQ(sampling.frequency_penalty(), 2);
  EXPECT_EQ(sampling.seed(), ~uint64_t{0});
  EXPECT_EQ(sampling.samples(), 3U);
  EXPECT_EQ(sampling.min_new_tokens(), 2U);
  EXPECT_FALSE(sampling.has_include_stop());
}

TEST(GenerateArgumentsTest, ListsAreRepeatedFlags) {
  ASSERT_OK_AND_ASSIGN(const v1::GenerateRequest request,
                       RequestOf({"--stop", R"(\n\n)", "--stop", "[end, of]", "--stop-id", "3",
                                  "--stop-id", "4", "--include-stop", "--logit-bias", "65=-100",
                                  "--logit-bias", "66=2.5", "--allowed-ids", "65-67,10"}));
  const v1::SamplingParams& sampling = request.sampling();
  EXPECT_THAT(sampling.stop_sequences(), ElementsAre("\n\n", "[end, of]"));
  EXPECT_THAT(sampling.stop_ids(), ElementsAre(3, 4));
  EXPECT_TRUE(sampling.include_stop());
  EXPECT_THAT(sampling.logit_bias(), UnorderedElementsAre(Pair(65, -100), Pair(66, 2.5F)));
  EXPECT_THAT(sampling.allowed_ids().ids(), ElementsAre(65, 66, 67, 10));
}

TEST(GenerateArgumentsTest, TheRestOfTheRequest) {
  ASSERT_OK_AND_ASSIGN(
      const v1::GenerateRequest request,
      RequestOf({"--model", "text/2", "--prompt", "-a b", "--priority", "-2", "--time-limit",
                 "1m30s", "--request-id", "r", "--echo", "--json", "--logprobs", "0", "--pcm16"}));
  EXPECT_EQ(request.model(), "text/2");
  EXPECT_EQ(request.prompt().raw(), "-a b");
  EXPECT_EQ(request.priority(), -2);
  EXPECT_EQ(request.time_limit().seconds(), 90);
  EXPECT_EQ(request.request_id(), "r");
  EXPECT_TRUE(request.output().echo_prompt());
  EXPECT_TRUE(request.output().has_top_logprobs());
  EXPECT_EQ(request.output().audio_encoding(), v1::AUDIO_ENCODING_PCM16);
}

TEST(GenerateArgumentsTest, AnEmptyPromptIsNotNoPrompt) {
  ASSERT_OK_AND_ASSIGN(const v1::GenerateRequest request, RequestOf({"--prompt", ""}));
  EXPECT_TRUE(request.has_prompt());
}

TEST(GenerateArgumentsTest, FlagsThatContradictEachOtherAreRefused) {
  const auto refusal = [](std::vector<std::string> flags) {
    const auto request = RequestOf(std::move(flags));
    EXPECT_TRUE(IsUsageError(request.status()));
    return std::string(request.status().message());
  };
  EXPECT_EQ(refusal({"--prompt", "a", "--prompt-file", "b"}),
            "--prompt and --prompt-file exclude each other");
  EXPECT_EQ(refusal({"--prompt-rows", "3"}), "--prompt-rows needs --prompt-file");
  EXPECT_EQ(refusal({"--logprobs", "3"}), "--logprobs needs --json");
  EXPECT_EQ(refusal({"--json", "--output", "-"}),
            "--json and --output - would mix on standard output");
}

}  // namespace
}  // namespace strided::client
