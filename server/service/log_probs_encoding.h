// Log-probabilities of consecutive tokens on the wire.

#ifndef STRIDED_SERVER_SERVICE_LOG_PROBS_ENCODING_H_
#define STRIDED_SERVER_SERVICE_LOG_PROBS_ENCODING_H_

#include "server/service/stream_event.h"
#include "strided/v1/sampling.pb.h"

namespace strided {

// One natural log-probability per token of `batch`, and beside them, flattened token by token, the
// ids and values of its alternatives, where it has any. Pure. Requires at least one token.
v1::LogProbs WireLogProbs(const TokenBatch& batch);

}  // namespace strided

#endif  // STRIDED_SERVER_SERVICE_LOG_PROBS_ENCODING_H_
