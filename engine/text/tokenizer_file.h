// The contents of a tokenizer.json, checked field by field.

#ifndef STRIDED_ENGINE_TEXT_TOKENIZER_FILE_H_
#define STRIDED_ENGINE_TEXT_TOKENIZER_FILE_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace strided {

struct AddedToken {
  int32_t id = 0;
  std::string content;  // UTF-8, at least one byte
};

// As written: tokens of the vocabulary in the alphabet of byte_alphabet.h.
struct TokenizerFile {
  absl::flat_hash_map<std::string, int32_t> vocab;
  std::vector<std::pair<std::string, std::string>>
      merges;  // in the order in which they were learnt
  std::vector<AddedToken> added;
  bool add_prefix_space = false;
  bool ignore_merges = false;  // a piece that is a token is that token, whatever the merges say
};

// InvalidArgument, "<path> is <found>; expected <expected>", where `text` is not JSON, or says
// something other than byte-level BPE: another model, normalizer or pre-tokenizer, or options that
// change the tokens. Ids lie in [0, vocab_size).
absl::StatusOr<TokenizerFile> ParseTokenizerFile(absl::string_view text, int vocab_size);

}  // namespace strided

#endif  // STRIDED_ENGINE_TEXT_TOKENIZER_FILE_H_
