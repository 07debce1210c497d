// How a stream's tokens stand on the wire.

#ifndef STRIDED_SERVER_SERVICE_TOKEN_FORMAT_H_
#define STRIDED_SERVER_SERVICE_TOKEN_FORMAT_H_

#include "engine/model/config.h"
#include "server/repository/served_model.h"

namespace strided {

// How a request wants its tokens in the `data` of messages; a model allows those of its modality.
enum class TokenFormat {
  kRaw,    // a byte each: text bytes, colour channels, 8-bit audio codes
  kPcm16,  // two bytes each: 16-bit signed little-endian samples (audio_codec.h)
  kIds,    // vocabulary ids, for models with more than 256 tokens
  kText,   // vocabulary ids and the text that they stand for, for models with a tokenizer
};

// Whether a token of the model fits a byte, and so raw sequences are understood.
inline bool HasByteTokens(const ModelConfig& config) { return config.vocab_size <= 256; }

// How the model's sequences stand on the wire where a request does not say.
inline TokenFormat OwnFormat(const ServedModel& model) {
  if (model.tokenizer.has_value()) return TokenFormat::kText;
  return HasByteTokens(model.config()) ? TokenFormat::kRaw : TokenFormat::kIds;
}

}  // namespace strided

#endif  // STRIDED_SERVER_SERVICE_TOKEN_FORMAT_H_
