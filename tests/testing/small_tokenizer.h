// A byte-level tokenizer.json for tests.

#ifndef STRIDED_TESTS_TESTING_SMALL_TOKENIZER_H_
#define STRIDED_TESTS_TESTING_SMALL_TOKENIZER_H_

#include <nlohmann/json_fwd.hpp>

namespace strided {

inline constexpr int kSmallTokenizerVocab = 300;

// Byte b is token b; "th" is 256, "the" 257, " the" 258; <|end|> is 299. The ids between have no
// text.
nlohmann::json SmallTokenizer();

}  // namespace strided

#endif  // STRIDED_TESTS_TESTING_SMALL_TOKENIZER_H_
