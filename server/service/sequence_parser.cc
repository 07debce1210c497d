#include "server/service/sequence_parser.h"

#include <algorithm>
#include <cstddef>
#include <optional>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "server/service/audio_codec.h"
#include "server/service/field_error.h"

namespace strided {
namespace {

absl::Status TakesIds(absl::string_view field, const ModelConfig& config) {
  return FieldError(field, absl::StrCat("holds bytes; this model has ", config.vocab_size,
                                        " tokens and takes ids (at most 256 fit a byte)"));
}

absl::Status CheckLength(absl::string_view field, size_t tokens, const ModelConfig& config) {
  if (tokens <= static_cast<size_t>(config.context_length)) return absl::OkStatus();
  return ContextLengthError(
      field,
      absl::StrCat("has ", tokens, " tokens; the model takes at most ", config.context_length),
      {.limit = config.context_length, .given = static_cast<int64_t>(tokens)});
}

absl::StatusOr<std::vector<int32_t>> ParseText(absl::string_view text, absl::string_view field,
                                               const ServedModel& model) {
  // So that no more is encoded than could ever fit.
  const size_t most = std::max(model.tokenizer->longest_text(), size_t{1});
  RETURN_IF_ERROR(CheckLength(field, (text.size() + most - 1) / most, model.config()));
  absl::StatusOr<std::vector<int32_t>> tokens = model.tokenizer->Encode(text);
  if (!tokens.ok()) return FieldError(field, tokens.status().message());
  RETURN_IF_ERROR(CheckLength(field, tokens->size(), model.config()));
  return tokens;
}

absl::StatusOr<std::vector<int32_t>> ParsePcm16(absl::string_view bytes, absl::string_view field,
                                                const ModelConfig& config) {
  if (bytes.size() % 2 != 0) {
    return FieldError(
        field, absl::StrCat("has ", bytes.size(), " bytes; 16-bit samples take an even number"));
  }
  std::vector<int32_t> tokens;
  tokens.reserve(bytes.size() / 2);
  for (size_t i = 0; i < bytes.size(); i += 2) {
    const auto low = static_cast<uint8_t>(bytes[i]);
    const auto high = static_cast<uint8_t>(bytes[i + 1]);
    const auto sample = static_cast<int16_t>(static_cast<uint16_t>(low | high << 8));
    const std::optional<int> code = CodeOfSample(config.audio->encoding, sample);
    if (!code.has_value() || *code >= config.vocab_size) {
      return FieldError(
          absl::StrCat(field, "[", i, "]"),
          absl::StrCat("is the sample ", sample, ", which no code of this model has"));
    }
    tokens.push_back(*code);
  }
  return tokens;
}

}  // namespace

absl::StatusOr<std::vector<int32_t>> ParseBytes(absl::string_view bytes, absl::string_view field,
                                                const ModelConfig& config) {
  if (!HasByteTokens(config)) return TakesIds(field, config);
  std::vector<int32_t> tokens;
  tokens.reserve(bytes.size());
  for (size_t i = 0; i < bytes.size(); ++i) {
    const int32_t token = static_cast<uint8_t>(bytes[i]);
    if (token >= config.vocab_size) {
      return CheckRange(absl::StrCat(field, "[", i, "]"), token, 0, config.vocab_size - 1);
    }
    tokens.push_back(token);
  }
  return tokens;
}

absl::StatusOr<std::vector<int32_t>> ParseIds(const google::protobuf::RepeatedField<uint32_t>& ids,
                                              absl::string_view field, const ModelConfig& config) {
  std::vector<int32_t> tokens;
  tokens.reserve(static_cast<size_t>(ids.size()));
  for (int i = 0; i < ids.size(); ++i) {
    if (ids[i] >= static_cast<uint32_t>(config.vocab_size)) {
      return CheckRange(absl::StrCat(field, "[", i, "]"), ids[i], 0, config.vocab_size - 1);
    }
    tokens.push_back(static_cast<int32_t>(ids[i]));
  }
  return tokens;
}

absl::StatusOr<SequenceStart> TakeStart(absl::string_view field, const ModelConfig& config,
                                        std::vector<int32_t>& tokens) {
  if (config.has_start_vector) return SequenceStart{};
  if (!tokens.empty()) {
    const SequenceStart start{.first_input = tokens.front(), .given = 1};
    tokens.erase(tokens.begin());
    return start;
  }
  if (config.start_token.has_value()) return SequenceStart{.first_input = *config.start_token};
  return FieldError(field, "is empty; this model has no start token and needs at least 1");
}

absl::StatusOr<std::vector<int32_t>> ParseSequence(const v1::Sequence& sequence,
                                                   absl::string_view field,
                                                   const ServedModel& model, TokenFormat raw) {
  const ModelConfig& config = model.config();
  if (sequence.has_ids()) {
    const std::string path = absl::StrCat(field, ".ids.ids");
    RETURN_IF_ERROR(CheckLength(path, static_cast<size_t>(sequence.ids().ids_size()), config));
    return ParseIds(sequence.ids().ids(), path, config);
  }
  const std::string path = absl::StrCat(field, ".raw");
  const std::string& bytes = sequence.raw();
  if (bytes.empty()) return std::vector<int32_t>();
  if (raw == TokenFormat::kText) return ParseText(bytes, path, model);
  if (raw == TokenFormat::kIds) return TakesIds(path, config);
  const bool pcm16 = raw == TokenFormat::kPcm16;
  RETURN_IF_ERROR(CheckLength(path, pcm16 ? bytes.size() / 2 : bytes.size(), config));
  return pcm16 ? ParsePcm16(bytes, path, config) : ParseBytes(bytes, path, config);
}

}  // namespace strided
