#include "engine/text/tokenizer.h"

#include <re2/re2.h>
#include <re2/stringpiece.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/base/file.h"
#include "engine/base/sha256.h"
#include "engine/base/status_macros.h"
#include "engine/text/byte_alphabet.h"
#include "engine/text/merge_table.h"
#include "engine/text/pre_tokenizer.h"
#include "engine/text/tokenizer_file.h"
#include "engine/text/utf8.h"

namespace strided {
namespace {

constexpr int32_t kNoToken = -1;

// Matches any added token, the longest of those that begin at one place; null without any.
absl::StatusOr<std::unique_ptr<const RE2>> PatternOf(const std::vector<AddedToken>& added) {
  if (added.empty()) return nullptr;
  std::vector<absl::string_view> contents;
  for (const AddedToken& token : added) contents.emplace_back(token.content);
  std::sort(contents.begin(), contents.end(),
            [](absl::string_view a, absl::string_view b) { return a.size() > b.size(); });
  std::string pattern;
  for (const absl::string_view content : contents) {
    const re2::StringPiece piece(content.data(), content.size());
    absl::StrAppend(&pattern, pattern.empty() ? "(" : "|", RE2::QuoteMeta(piece));
  }
  auto compiled = std::make_unique<const RE2>(absl::StrCat(pattern, ")"), RE2::Quiet);
  if (!compiled->ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("added_tokens cannot be searched for: ", compiled->error()));
  }
  return compiled;
}

}  // namespace

struct Tokenizer::Tables {
  std::vector<std::string> texts;                          // by token
  std::array<int32_t, 256> byte_tokens{};                  // kNoToken: none
  absl::flat_hash_map<std::string, int32_t> whole_pieces;  // by text; with ignore_merges alone
  absl::flat_hash_map<std::string, int32_t> added;         // by text
  std::unique_ptr<const RE2> added_pattern;                // null without added tokens
  MergeTable merges;
  bool add_prefix_space = false;
  size_t longest_text = 0;  // bytes
  std::string digest;

  absl::Status EncodePiece(absl::string_view piece, std::vector<int32_t>& tokens) const;
  // Text without added tokens.
  absl::Status EncodeSegment(absl::string_view segment, std::vector<int32_t>& tokens) const;
};

absl::Status Tokenizer::Tables::EncodePiece(absl::string_view piece,
                                            std::vector<int32_t>& tokens) const {
  if (const auto whole = whole_pieces.find(piece); whole != whole_pieces.end()) {
    tokens.push_back(whole->second);
    return absl::OkStatus();
  }
  std::vector<int32_t> bytes;
  bytes.reserve(piece.size());
  for (const char c : piece) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte_tokens[byte] == kNoToken) {
      return absl::InvalidArgumentError(
          absl::StrCat("holds the byte ", int{byte}, ", which the vocabulary has no token for"));
    }
    bytes.push_back(byte_tokens[byte]);
  }
  const std::vector<int32_t> merged = merges.Apply(std::move(bytes));
  tokens.insert(tokens.end(), merged.begin(), merged.end());
  return absl::OkStatus();
}

absl::Status Tokenizer::Tables::EncodeSegment(absl::string_view segment,
                                              std::vector<int32_t>& tokens) const {
  if (segment.empty()) return absl::OkStatus();
  std::string prefixed;
  if (add_prefix_space && segment[0] != ' ') {
    prefixed = absl::StrCat(" ", segment);
    segment = prefixed;
  }
  return ForEachPiece(segment, [&](absl::string_view piece) { return EncodePiece(piece, tokens); });
}

Tokenizer::Tokenizer(std::unique_ptr<const Tables> tables) : tables_(std::move(tables)) {}
Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

absl::StatusOr<Tokenizer> Tokenizer::Load(const std::string& path, int vocab_size) {
  ASSIGN_OR_RETURN(const std::string text, ReadSmallFile(path, kMaxTokenizerBytes));
  return FromJson(text, path, vocab_size);
}

absl::StatusOr<Tokenizer> Tokenizer::FromJson(absl::string_view text, absl::string_view source,
                                              int vocab_size) {
  const auto bytes = std::as_bytes(std::span<const char>(text.data(), text.size()));
  ASSIGN_OR_RETURN(std::string digest, Sha256Hex({{bytes}}));
  absl::StatusOr<TokenizerFile> file = ParseTokenizerFile(text, vocab_size);
  absl::StatusOr<Tokenizer> tokenizer =
      file.ok() ? Create(*std::move(file), std::move(digest), vocab_size) : file.status();
  if (tokenizer.ok()) return tokenizer;
  return absl::InvalidArgumentError(absl::StrCat(source, ": ", tokenizer.status().message()));
}

absl::StatusOr<Tokenizer> Tokenizer::Create(TokenizerFile file, std::string digest,
                                            int vocab_size) {
  auto tables = std::make_unique<Tables>();
  tables->digest = std::move(digest);
  tables->add_prefix_space = file.add_prefix_space;
  tables->texts.resize(static_cast<size_t>(vocab_size));
  tables->byte_tokens.fill(kNoToken);
  for (const auto& [written, id] : file.vocab) {
    // What is not of the alphabet is an added token's own text.
    std::string text = BytesOf(written).value_or(written);
    if (file.ignore_merges) tables->whole_pieces.emplace(text, id);
    tables->texts[static_cast<size_t>(id)] = std::move(text);
  }
  for (int byte = 0; byte < 256; ++byte) {
    const auto found = file.vocab.find(CharacterOf(static_cast<uint8_t>(byte)));
    if (found != file.vocab.end()) tables->byte_tokens[static_cast<size_t>(byte)] = found->second;
  }
  for (const auto& [left, right] : file.merges) {
    tables->merges.Add(file.vocab.at(left), file.vocab.at(right), file.vocab.at(left + right));
  }
  ASSIGN_OR_RETURN(tables->added_pattern, PatternOf(file.added));
  for (AddedToken& token : file.added) {
    tables->texts[static_cast<size_t>(token.id)] = token.content;
    tables->added.emplace(std::move(token.content), token.id);
  }
  for (const std::string& text : tables->texts) {
    tables->longest_text = std::max(tables->longest_text, text.size());
  }
  return Tokenizer(std::move(tables));
}

absl::StatusOr<std::vector<int32_t>> Tokenizer::Encode(absl::string_view text) const {
  if (const std::optional<size_t> invalid = FirstInvalidByte(text)) {
    return absl::InvalidArgumentError(absl::StrCat("is not UTF-8 at byte ", *invalid));
  }
  std::vector<int32_t> tokens;
  const re2::StringPiece whole(text.data(), text.size());
  size_t begin = 0;
  while (tables_->added_pattern != nullptr && begin < text.size()) {
    re2::StringPiece match;
    if (!tables_->added_pattern->Match(whole, begin, text.size(), RE2::UNANCHORED, &match, 1)) {
      break;
    }
    const auto at = static_cast<size_t>(match.data() - text.data());
    RETURN_IF_ERROR(tables_->EncodeSegment(text.substr(begin, at - begin), tokens));
    tokens.push_back(tables_->added.at(absl::string_view(match.data(), match.size())));
    begin = at + match.size();
  }
  RETURN_IF_ERROR(tables_->EncodeSegment(text.substr(begin), tokens));
  return tokens;
}

absl::string_view Tokenizer::TextOf(int32_t token) const {
  return tables_->texts[static_cast<size_t>(token)];
}

size_t Tokenizer::longest_text() const { return tables_->longest_text; }

const std::string& Tokenizer::digest() const { return tables_->digest; }

}  // namespace strided
