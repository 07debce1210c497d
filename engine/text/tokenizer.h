// Text to tokens and back, for models whose vocabulary is byte-level BPE: what a tokenizer.json of
// Hugging Face's tokenizers says of GPT-2 and its relatives.
//
// Radford et al. 2019, section 2.2: text is cut into pieces (pre_tokenizer.h), a piece's bytes are
// tokens, and pairs of neighbours merge (merge_table.h). Added tokens, such as <|endoftext|>, are
// found in the text first, and are one token each. Encoding equals the library's, which
// tests/engine/text compares; no byte is lost, so that TextOf over the tokens gives the text back.

#ifndef STRIDED_ENGINE_TEXT_TOKENIZER_H_
#define STRIDED_ENGINE_TEXT_TOKENIZER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace strided {

struct TokenizerFile;

// Immutable, and safe to share between threads. Move only.
class Tokenizer {
 public:
  // Reads `path` for a model of `vocab_size` tokens. NotFound where there is no such file;
  // InvalidArgument, with the field, what was found and what was expected, where it is no
  // tokenizer.json of byte-level BPE, or has ids that the model has not. Memory is bounded by
  // kMaxTokenizerBytes, the most that a file may have.
  static absl::StatusOr<Tokenizer> Load(const std::string& path, int vocab_size);
  // The same of a file's text; `source` names it in errors.
  static absl::StatusOr<Tokenizer> FromJson(absl::string_view text, absl::string_view source,
                                            int vocab_size);

  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // The tokens of `text`. InvalidArgument, with the byte, where it is not UTF-8, or a byte has no
  // token in the vocabulary. The error's text is a predicate ("is not UTF-8 at byte 3").
  absl::StatusOr<std::vector<int32_t>> Encode(absl::string_view text) const;

  // The bytes that a token stands for, which may be part of a character; none for an id that the
  // file does not name. Requires 0 <= token < vocab_size. Lives as long as the tokenizer.
  absl::string_view TextOf(int32_t token) const;

  // Bytes of the longest token's text: n bytes of text are at least n / longest_text() tokens.
  size_t longest_text() const;

  // 64 hexadecimal digits of SHA-256 over the file.
  const std::string& digest() const;

 private:
  struct Tables;
  explicit Tokenizer(std::unique_ptr<const Tables> tables);
  static absl::StatusOr<Tokenizer> Create(TokenizerFile file, std::string digest, int vocab_size);

  std::unique_ptr<const Tables> tables_;
};

inline constexpr int64_t kMaxTokenizerBytes = int64_t{16} << 20;

}  // namespace strided

#endif  // STRIDED_ENGINE_TEXT_TOKENIZER_H_
