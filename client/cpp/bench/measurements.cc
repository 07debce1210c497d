#include "client/cpp/bench/measurements.h"

#include <utility>

#include "client/cpp/error_details.h"

namespace strided::client {

void Measurements::Merge(const Measurements& other) {
  ok += other.ok;
  refused += other.refused;
  failed += other.failed;
  cut += other.cut;
  for (const auto& [kind, error] : other.errors) {
    ErrorCount& mine = errors[kind];
    if (mine.count == 0) mine.message = error.message;
    mine.count += error.count;
  }
  first_error.Update(other.first_error);
  messages += other.messages;
  message_bytes += other.message_bytes;
  tokens += other.tokens;
  start_delay.Merge(other.start_delay);
  time_to_first_token.Merge(other.time_to_first_token);
  request_time.Merge(other.request_time);
  inter_token_time.Merge(other.inter_token_time);
  message_gap.Merge(other.message_gap);
}

void RequestMeter::CountStart(absl::Time now) {
  if (window_->Contains(due_)) into_->start_delay.Add(now - due_);
}

void RequestMeter::CountMessage(size_t bytes, absl::Time now) {
  any_message_ = true;
  if (!window_->Contains(now)) return;
  ++into_->messages;
  into_->message_bytes += bytes;
}

void RequestMeter::CountTokens(uint32_t sample, uint64_t tokens, absl::Time now) {
  if (tokens == 0) return;
  const bool first_of_request = last_tokens_.empty();
  const auto [last, first_of_sample] = last_tokens_.try_emplace(sample, now);
  const absl::Duration gap = now - std::exchange(last->second, now);
  if (!window_->Contains(now)) return;
  into_->tokens += tokens;
  if (first_of_request && window_->Contains(due_)) into_->time_to_first_token.Add(now - due_);
  if (first_of_sample) return;
  into_->inter_token_time.Add(gap / static_cast<double>(tokens), tokens);
  into_->message_gap.Add(gap);
}

void RequestMeter::CountEnd(const absl::Status& status, bool cut, absl::Time now) {
  if (!window_->Contains(due_)) return;
  if (cut) {
    ++into_->cut;
  } else if (status.ok()) {
    ++into_->ok;
    into_->request_time.Add(now - due_);
  } else {
    CountError(status);
  }
}

void RequestMeter::CountError(const absl::Status& status) {
  const std::string reason = DetailsOf(status).reason;
  ++(reason.empty() || any_message_ ? into_->failed : into_->refused);
  ErrorCount& error = into_->errors[{absl::StatusCodeToString(status.code()), reason}];
  if (error.count++ == 0) error.message = std::string(status.message());
  into_->first_error.Update(status);
}

}  // namespace strided::client
