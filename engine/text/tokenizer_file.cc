#include "engine/text/tokenizer_file.h"

#include <nlohmann/json.hpp>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/model/json_object.h"
#include "engine/model/strict_json.h"

namespace strided {
namespace {

using Json = nlohmann::json;

constexpr int64_t kMaxMerges = int64_t{1} << 20;
constexpr int64_t kMaxAddedTokens = 4096;

bool IsNone(const Json* value) { return value == nullptr || value->is_null(); }

// OK where the field is missing, null, or one of `allowed`.
absl::Status Plain(JsonObject& object, absl::string_view name, const Json& allowed) {
  const Json* const value = object.Find(name);
  if (IsNone(value) || *value == allowed) return absl::OkStatus();
  return JsonError(object.PathOf(name), value, absl::StrCat(allowed.dump(), " or null"));
}

bool HasType(const Json* value, absl::string_view type) {
  return value != nullptr && value->is_object() && value->contains("type") &&
         (*value)["type"] == std::string(type);
}

// Reads the parts of a document. Use: once.
class Reader {
 public:
  Reader(JsonObject root, int vocab_size) : root_(std::move(root)), vocab_size_(vocab_size) {}

  absl::StatusOr<TokenizerFile> Read() && {
    RETURN_IF_ERROR(Plain(root_, "normalizer", nullptr));
    RETURN_IF_ERROR(ReadPreTokenizer());
    RETURN_IF_ERROR(CheckPostProcessor());
    const Json* const decoder = root_.Find("decoder");
    if (!IsNone(decoder) && !HasType(decoder, "ByteLevel")) {
      return JsonError("decoder", decoder, "the type \"ByteLevel\"");
    }
    RETURN_IF_ERROR(ReadModel());
    RETURN_IF_ERROR(ReadAddedTokens());
    return std::move(file_);
  }

 private:
  absl::Status ReadPreTokenizer() {
    const Json* const value = root_.Find("pre_tokenizer");
    if (!HasType(value, "ByteLevel")) {
      return JsonError("pre_tokenizer", value, "the type \"ByteLevel\"");
    }
    ASSIGN_OR_RETURN(JsonObject pre_tokenizer, JsonObject::Create(value, "pre_tokenizer"));
    ASSIGN_OR_RETURN(file_.add_prefix_space, pre_tokenizer.Boolean("add_prefix_space"));
    return Plain(pre_tokenizer, "use_regex", true);
  }

  // None may add a token.
  absl::Status CheckPostProcessor() {
    const Json* const value = root_.Find("post_processor");
    if (IsNone(value) || HasType(value, "ByteLevel")) return absl::OkStatus();
    if (HasType(value, "TemplateProcessing") && value->contains("single")) {
      const Json& single = (*value)["single"];
      const bool alone = single.is_array() && single.size() == 1 && single[0].is_object() &&
                         single[0].contains("Sequence");
      if (alone) return absl::OkStatus();
    }
    return JsonError("post_processor", value, "one that adds no token");
  }

  absl::Status ReadModel() {
    const Json* const value = root_.Find("model");
    if (!HasType(value, "BPE") &&
        !(value != nullptr && value->is_object() && !value->contains("type"))) {
      return JsonError("model", value, "the type \"BPE\"");
    }
    ASSIGN_OR_RETURN(JsonObject model, JsonObject::Create(value, "model"));
    RETURN_IF_ERROR(Plain(model, "dropout", nullptr));
    RETURN_IF_ERROR(Plain(model, "continuing_subword_prefix", ""));
    RETURN_IF_ERROR(Plain(model, "end_of_word_suffix", ""));
    RETURN_IF_ERROR(Plain(model, "byte_fallback", false));
    if (!IsNone(model.Find("ignore_merges"))) {
      ASSIGN_OR_RETURN(file_.ignore_merges, model.Boolean("ignore_merges"));
    }
    RETURN_IF_ERROR(ReadVocab(model));
    return ReadMerges(model);
  }

  absl::Status ReadVocab(JsonObject& model) {
    const Json* const vocab = model.Find("vocab");
    if (vocab == nullptr || !vocab->is_object()) {
      return JsonError("model.vocab", vocab, "an object");
    }
    ids_.assign(static_cast<size_t>(vocab_size_), false);
    for (const auto& [token, id] : vocab->items()) {
      ASSIGN_OR_RETURN(const int32_t number, Id(id, absl::StrCat("model.vocab.", token)));
      if (ids_[static_cast<size_t>(number)]) {
        return JsonError(absl::StrCat("model.vocab.", token), &id, "an id that no other token has");
      }
      ids_[static_cast<size_t>(number)] = true;
      file_.vocab.emplace(token, number);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<int32_t> Id(const Json& value, absl::string_view path) const {
    if (value.is_number_unsigned() && value.get<uint64_t>() < static_cast<uint64_t>(vocab_size_)) {
      return value.get<int32_t>();
    }
    return JsonError(path, &value,
                     absl::StrCat("an integer from 0 to ", vocab_size_ - 1, ", the model's last"));
  }

  // Each is "left right" or ["left", "right"].
  absl::Status ReadMerges(JsonObject& model) {
    ASSIGN_OR_RETURN(const std::vector<const Json*> merges, model.List("merges", {0, kMaxMerges}));
    for (const Json* const merge : merges) {
      const std::string path = absl::StrCat("model.merges[", file_.merges.size(), "]");
      std::pair<std::string, std::string> pair;
      if (merge->is_array() && merge->size() == 2 && (*merge)[0].is_string() &&
          (*merge)[1].is_string()) {
        pair = {(*merge)[0].get<std::string>(), (*merge)[1].get<std::string>()};
      } else if (merge->is_string()) {
        const auto text = merge->get<std::string>();
        const size_t space = text.find(' ');
        pair = {text.substr(0, space), space == std::string::npos ? "" : text.substr(space + 1)};
      }
      const bool known = file_.vocab.contains(pair.first) && file_.vocab.contains(pair.second) &&
                         file_.vocab.contains(pair.first + pair.second);
      if (!known) return JsonError(path, merge, "two tokens whose union is a token");
      file_.merges.push_back(std::move(pair));
    }
    return absl::OkStatus();
  }

  absl::Status ReadAddedTokens() {
    if (IsNone(root_.Find("added_tokens"))) return absl::OkStatus();
    ASSIGN_OR_RETURN(const std::vector<const Json*> tokens,
                     root_.List("added_tokens", {0, kMaxAddedTokens}));
    for (const Json* const value : tokens) {
      const std::string path = absl::StrCat("added_tokens[", file_.added.size(), "]");
      ASSIGN_OR_RETURN(JsonObject token, JsonObject::Create(value, path));
      for (const absl::string_view name : {"single_word", "lstrip", "rstrip"}) {
        RETURN_IF_ERROR(Plain(token, name, false));
      }
      AddedToken added;
      ASSIGN_OR_RETURN(added.content, token.String("content"));
      if (added.content.empty()) {
        return JsonError(token.PathOf("content"), token.Find("content"), "at least 1 byte");
      }
      ASSIGN_OR_RETURN(const int64_t id, token.Integer("id", {0, vocab_size_ - 1}));
      added.id = static_cast<int32_t>(id);
      file_.added.push_back(std::move(added));
    }
    return absl::OkStatus();
  }

  JsonObject root_;
  const int vocab_size_;
  TokenizerFile file_;
  std::vector<bool> ids_;  // those that have a token
};

}  // namespace

absl::StatusOr<TokenizerFile> ParseTokenizerFile(absl::string_view text, int vocab_size) {
  ASSIGN_OR_RETURN(const Json document, ParseStrictJson(text));
  ASSIGN_OR_RETURN(JsonObject root, JsonObject::Create(&document, ""));
  return Reader(std::move(root), vocab_size).Read();
}

}  // namespace strided
