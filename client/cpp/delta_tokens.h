// The tokens of a Delta, counted and cut.

#ifndef STRIDED_CLIENT_CPP_DELTA_TOKENS_H_
#define STRIDED_CLIENT_CPP_DELTA_TOKENS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "strided/v1/sampling.pb.h"

namespace strided::client {

// Bytes of Delta.raw that one token takes in the stream that begins with `started`: 2 for 16-bit
// audio samples, else 1.
int BytesPerToken(const v1::Started& started);

// Tokens in `delta`. Internal where the bytes are not a whole number of tokens.
absl::StatusOr<uint64_t> CountTokens(const v1::Delta& delta, int bytes_per_token);

// `delta` without its first `count` tokens, first_position moved on. Requires that it has more.
// DataLoss where it has text for its ids: which bytes belong to which id cannot be told.
absl::StatusOr<v1::Delta> WithoutFirst(uint64_t count, v1::Delta delta, int bytes_per_token);

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_DELTA_TOKENS_H_
