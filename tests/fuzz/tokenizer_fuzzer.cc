// Any bytes as a tokenizer.json: refused with a reason, or a tokenizer that encodes. Any bytes as
// text: refused, or tokens that stand for just that text.

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "engine/text/tokenizer.h"
#include "tests/fuzz/require.h"
#include "tests/testing/small_tokenizer.h"

namespace strided {
namespace {

const Tokenizer& Fixed() {
  static const absl::StatusOr<Tokenizer> kTokenizer =
      Tokenizer::FromJson(SmallTokenizer().dump(), "small", kSmallTokenizerVocab);
  Require(kTokenizer.ok(), "the tests' tokenizer is valid");
  return *kTokenizer;
}

void FuzzFile(absl::string_view text) {
  const absl::StatusOr<Tokenizer> tokenizer =
      Tokenizer::FromJson(text, "fuzzed", kSmallTokenizerVocab);
  if (!tokenizer.ok()) {
    Require(tokenizer.status().code() == absl::StatusCode::kInvalidArgument, "InvalidArgument");
    return;
  }
  const auto tokens = tokenizer->Encode("the  theme's\n\n12 <|end|>");
  if (!tokens.ok()) return;
  for (const int32_t token : *tokens) {
    Require(token >= 0 && token < kSmallTokenizerVocab, "a token is of the vocabulary");
  }
}

void FuzzText(absl::string_view text) {
  const auto tokens = Fixed().Encode(text);
  if (!tokens.ok()) {
    Require(tokens.status().code() == absl::StatusCode::kInvalidArgument, "InvalidArgument");
    return;
  }
  std::string again;
  for (const int32_t token : *tokens) absl::StrAppend(&again, Fixed().TextOf(token));
  Require(again == text, "no byte is lost");
  Require(tokens->size() * Fixed().longest_text() >= text.size(), "tokens are no longer than said");
}

}  // namespace
}  // namespace strided

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(bytes), size);
  strided::FuzzFile(text);
  strided::FuzzText(text);
  return 0;
}
