#include "server/service/score_encoder.h"

#include <algorithm>
#include <numbers>
#include <variant>

#include "server/service/log_probs_encoding.h"

namespace strided {

v1::ScoreResponse ScoreEncoder::Encode(StreamEvent event) {
  const auto* batch = std::get_if<TokenBatch>(&event);
  if (batch == nullptr) return EncodeTotals();
  for (const float log_prob : batch->log_probs) total_log_prob_ += log_prob;
  scored_ += static_cast<int64_t>(batch->tokens.size());
  const auto first = static_cast<uint64_t>(given_ + batch->first_position);
  next_position_ = first + batch->tokens.size();
  v1::ScoreResponse response;
  response.set_first_position(first);
  *response.mutable_log_probs() = WireLogProbs(*batch);
  return response;
}

v1::ScoreResponse ScoreEncoder::EncodeTotals() const {
  v1::ScoreResponse response;
  response.set_first_position(next_position_);
  response.set_total_log_prob(total_log_prob_);
  const auto positions = static_cast<double>(std::max<int64_t>(scored_, 1));
  response.set_bits_per_token(-total_log_prob_ / std::numbers::ln2 / positions);
  return response;
}

}  // namespace strided
