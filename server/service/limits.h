// What a request may ask for, whatever the model. Each is named in the error of a request that goes
// beyond it.

#ifndef STRIDED_SERVER_SERVICE_LIMITS_H_
#define STRIDED_SERVER_SERVICE_LIMITS_H_

#include <cstddef>
#include <cstdint>

#include "absl/time/time.h"

namespace strided {

// Of `request_id`, which goes into the log.
inline constexpr size_t kMaxRequestIdBytes = 128;
// Of `priority`, and -kMaxPriority at the other end; higher goes first, 0 unless it is set.
inline constexpr int kMaxPriority = 100;
// Of `sampling`: samples of a request; its stops; what it changes of the distribution.
inline constexpr uint32_t kMaxSamples = 64;
inline constexpr int kMaxStopSequences = 16;
inline constexpr size_t kMaxStopSequenceBytes = 256;  // of each
inline constexpr int kMaxStopIds = 256;
inline constexpr int kMaxLogitBiases = 4096;
inline constexpr int kMaxAllowedIds = 65536;
// Of `output`: alternatives told for each token; how long a token may wait for its message.
inline constexpr uint32_t kMaxTopLogprobs = 32;
inline constexpr absl::Duration kMaxMessageDelay = absl::Seconds(10);

// How a stream is paced where the request does not say: about 50 messages a second. At 256 streams
// of 200 tokens/s, a message a token costs 0.65 of a core and eight tokens a message 0.09
// (loopback, gRPC 1.51).
inline constexpr absl::Duration kDefaultMessageDelay = absl::Milliseconds(20);

// Tokens of one stream that may wait for its reader before its job is paused.
inline constexpr int kMailboxTokens = 4096;

// A message stays below what clients refuse by default, and small enough to share a connection.
inline constexpr int kMaxMessageBytes = 256 * 1024;

}  // namespace strided

#endif  // STRIDED_SERVER_SERVICE_LIMITS_H_
