#include "engine/text/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/testing/small_tokenizer.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace strided {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using Json = nlohmann::json;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;
constexpr int kVocabSize = kSmallTokenizerVocab;

absl::StatusOr<Tokenizer> Parse(const Json& document) {
  return Tokenizer::FromJson(document.dump(), "tokenizer.json", kVocabSize);
}

void Refuses(const char* pointer, const Json& value, const std::string& text) {
  Json document = SmallTokenizer();
  document[Json::json_pointer(pointer)] = value;
  EXPECT_THAT(Parse(document).status(),
              StatusIs(kInvalid, HasSubstr(absl::StrCat("tokenizer.json: ", text))))
      << pointer;
}

TEST(TokenizerTest, PairsMergeInTheOrderInWhichTheyWereLearnt) {
  ASSERT_OK_AND_ASSIGN(const Tokenizer tokenizer, Parse(SmallTokenizer()));
  EXPECT_THAT(*tokenizer.Encode("the tha the"), ElementsAre(257, ' ', 256, 'a', 258));
}

TEST(TokenizerTest, ManyEqualBytesTakeNoMoreThanTheyShould) {
  Json document = SmallTokenizer();
  document["model"]["vocab"]["aa"] = 260;
  document["model"]["merges"].push_back("a a");
  ASSERT_OK_AND_ASSIGN(const Tokenizer tokenizer, Parse(document));
  ASSERT_OK_AND_ASSIGN(const std::vector<int32_t> tokens,
                       tokenizer.Encode(std::string(1'000'001, 'a')));
  EXPECT_THAT(tokens, SizeIs(500'001));
  EXPECT_EQ(tokens.front(), 260);
  EXPECT_EQ(tokens.back(), 'a');
}

TEST(TokenizerTest, AnAddedTokenIsOneWhereverItStands) {
  ASSERT_OK_AND_ASSIGN(const Tokenizer tokenizer, Parse(SmallTokenizer()));
  EXPECT_THAT(*tokenizer.Encode("<|end|>the<|end|>"), ElementsAre(299, 257, 299));
  EXPECT_EQ(tokenizer.TextOf(299), "<|end|>");
}

TEST(TokenizerTest, ATokenMayBePartOfACharacter) {
  ASSERT_OK_AND_ASSIGN(const Tokenizer tokenizer, Parse(SmallTokenizer()));
  EXPECT_THAT(*tokenizer.Encode("é"), ElementsAre(0xC3, 0xA9));
  EXPECT_EQ(tokenizer.TextOf(0xC3), "\xC3");
}

TEST(TokenizerTest, ATokenThatTheFileDoesNotNameHasNoText) {
  ASSERT_OK_AND_ASSIGN(const Tokenizer tokenizer, Parse(SmallTokenizer()));
  EXPECT_EQ(tokenizer.TextOf(270), "");
}

TEST(TokenizerTest, TextThatIsNotUtf8IsRefusedWithItsByte) {
  ASSERT_OK_AND_ASSIGN(const Tokenizer tokenizer, Parse(SmallTokenizer()));
  for (const char* const text : {"ab\xFF", "ab\xC3", "ab\xED\xA0\x80", "ab\xC0\x80"}) {
    EXPECT_THAT(tokenizer.Encode(text).status(), StatusIs(kInvalid, "is not UTF-8 at byte 2"));
  }
}

TEST(TokenizerTest, AByteWithoutATokenIsNamed) {
  Json document = SmallTokenizer();
  document["model"]["vocab"].erase("q");
  ASSERT_OK_AND_ASSIGN(const Tokenizer tokenizer, Parse(document));
  EXPECT_THAT(tokenizer.Encode("a q").status(),
              StatusIs(kInvalid, HasSubstr("holds the byte 113")));
}

TEST(TokenizerTest, WhatIsNotByteLevelBpeIsRefused) {
  Refuses("/model/type", "Unigram", "model is");
  Refuses("/normalizer", {{"type", "NFC"}}, "normalizer is");
  Refuses("/pre_tokenizer", nullptr, "pre_tokenizer is null");
  Refuses("/pre_tokenizer/type", "Whitespace", "pre_tokenizer is");
  Refuses("/pre_tokenizer/use_regex", false, "pre_tokenizer.use_regex is false");
  Refuses("/decoder", {{"type", "WordPiece"}}, "decoder is");
  Refuses("/model/dropout", 0.1, "model.dropout is 0.1");
  Refuses("/model/byte_fallback", true, "model.byte_fallback is true");
  Refuses("/added_tokens/0/lstrip", true, "added_tokens[0].lstrip is true");
  Refuses("/post_processor",
          {{"type", "TemplateProcessing"}, {"single", {{{"SpecialToken", {{"id", "a"}}}}}}},
          "post_processor is");
}

TEST(TokenizerTest, WhatIsMalformedIsRefusedByItsPath) {
  Refuses("/model/vocab/th", 300, "model.vocab.th is 300; expected an integer from 0 to 299");
  Refuses("/model/vocab/th", -1, "model.vocab.th is -1");
  Refuses("/model/vocab/the", 256,
          "model.vocab.the is 256; expected an id that no other token has");
  Refuses("/model/vocab", Json::array(), "model.vocab is");
  Refuses("/model/merges/1", "th x", "model.merges[1] is");
  Refuses("/model/merges/1", "the", "model.merges[1] is");
  Refuses("/model/merges/1", 7, "model.merges[1] is 7");
  Refuses("/added_tokens/0/id", 300, "added_tokens[0].id is 300");
  Refuses("/added_tokens/0/content", "", "added_tokens[0].content is");
  Refuses("/added_tokens", 3, "added_tokens is 3");
}

TEST(TokenizerTest, ATruncatedFileIsRefusedWhereverItEnds) {
  const std::string whole = SmallTokenizer().dump();
  for (size_t length = 0; length < whole.size(); length += 97) {
    EXPECT_THAT(Tokenizer::FromJson(whole.substr(0, length), "t", kVocabSize).status(),
                StatusIs(kInvalid, HasSubstr("t: ")));
  }
}

TEST(TokenizerTest, AFileBeyondTheLimitIsNotRead) {
  const TemporaryDirectory directory;
  const std::string path = directory.Write(
      "tokenizer.json", std::string(static_cast<size_t>(kMaxTokenizerBytes) + 1, ' '));
  EXPECT_THAT(Tokenizer::Load(path, kVocabSize).status(), StatusIs(kInvalid, HasSubstr(path)));
  EXPECT_THAT(Tokenizer::Load(directory.path() + "/none", kVocabSize).status(),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none")));
}

}  // namespace
}  // namespace strided
