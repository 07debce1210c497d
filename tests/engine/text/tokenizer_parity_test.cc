// Texts against what Hugging Face's tokenizers library makes of them (make_tokenizers.py). The
// files in tokenizer_files/ are compared everywhere; where the library is installed, others are
// drawn, too.

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/text/tokenizer.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace strided {
namespace {

constexpr int kNoLibrary = 77;
constexpr int kVocabSize = 512;

void ExpectParity(const std::string& path) {
  const nlohmann::json file = nlohmann::json::parse(std::ifstream(path));
  ASSERT_OK_AND_ASSIGN(const Tokenizer tokenizer,
                       Tokenizer::FromJson(file.at("tokenizer").dump(), path, kVocabSize));
  const bool prefixed = file.at("tokenizer").at("pre_tokenizer").at("add_prefix_space").get<bool>();
  ASSERT_FALSE(file.at("cases").empty());
  for (const auto& test : file.at("cases")) {
    const auto text = test.at("text").get<std::string>();
    ASSERT_OK_AND_ASSIGN(const std::vector<int32_t> tokens, tokenizer.Encode(text));
    EXPECT_EQ(tokens, test.at("ids").get<std::vector<int32_t>>()) << testing::PrintToString(text);
    std::string again;
    for (const int32_t token : tokens) absl::StrAppend(&again, tokenizer.TextOf(token));
    if (!prefixed) {
      EXPECT_EQ(again, text);
    }
  }
}

class TokenizerParityTest : public testing::TestWithParam<const char*> {};

TEST_P(TokenizerParityTest, AStoredFileGivesTheLibrarysTokens) {
  ExpectParity(absl::StrCat("tests/engine/text/tokenizer_files/", GetParam(), ".json"));
}

TEST_P(TokenizerParityTest, AFileDrawnAnewGivesTheLibrarysTokens) {
  const TemporaryDirectory directory;
  const std::string command = absl::StrCat(
      PYTHON_PROGRAM, " -B tests/engine/text/make_tokenizers.py ", directory.path(), " --seed 2");
  // No other thread of this process touches its environment or signals.
  const int status = std::system(command.c_str());  // NOLINT(concurrency-mt-unsafe)
  const int exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  if (exit_code == kNoLibrary) GTEST_SKIP() << "no Python with the tokenizers library";
  ASSERT_EQ(exit_code, 0);
  ExpectParity(absl::StrCat(directory.path(), "/", GetParam(), ".json"));
}

INSTANTIATE_TEST_SUITE_P(Files, TokenizerParityTest,
                         testing::Values("plain", "prefixed", "ignored_merges"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace strided
