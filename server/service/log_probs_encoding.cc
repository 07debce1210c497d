#include "server/service/log_probs_encoding.h"

#include <cstdint>

namespace strided {

v1::LogProbs WireLogProbs(const TokenBatch& batch) {
  v1::LogProbs wire;
  wire.mutable_chosen()->Add(batch.log_probs.begin(), batch.log_probs.end());
  wire.set_top_count(static_cast<uint32_t>(batch.top_ids.size() / batch.tokens.size()));
  wire.mutable_top_ids()->Add(batch.top_ids.begin(), batch.top_ids.end());
  wire.mutable_top_values()->Add(batch.top_values.begin(), batch.top_values.end());
  return wire;
}

}  // namespace strided
