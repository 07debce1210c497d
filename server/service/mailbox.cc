#include "server/service/mailbox.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace strided {
namespace {

// The first `count` elements, which leave `from`.
template <typename T>
std::vector<T> TakeFront(std::vector<T>& from, size_t count) {
  if (count >= from.size()) return std::exchange(from, {});
  const auto middle = from.begin() + static_cast<std::ptrdiff_t>(count);
  std::vector<T> front(from.begin(), middle);
  from.erase(from.begin(), middle);
  return front;
}

}  // namespace

void Mailbox::Push(const PushedToken& token) {
  TokenBatch& waiting = samples_[token.sample_index].waiting;
  if (waiting.tokens.empty()) {
    waiting.sample_index = token.sample_index;
    waiting.first_position = token.position;
  }
  waiting.tokens.push_back(token.token);
  ++tokens_;
  if (!options_.log_probs) return;
  waiting.log_probs.push_back(token.log_prob);
  waiting.top_ids.insert(waiting.top_ids.end(), token.top_ids.begin(), token.top_ids.end());
  waiting.top_values.insert(waiting.top_values.end(), token.top_values.begin(),
                            token.top_values.end());
}

void Mailbox::End(const SampleEnd& end) { samples_[end.sample_index].end = end; }

void Mailbox::Clear() {
  samples_.clear();
  tokens_ = 0;
}

bool Mailbox::HasMail(const Sample& sample) const {
  return !sample.waiting.tokens.empty() || sample.end.has_value();
}

bool Mailbox::empty() const {
  return std::none_of(samples_.begin(), samples_.end(),
                      [this](const auto& entry) { return HasMail(entry.second); });
}

absl::Time Mailbox::DueTime(const Sample& sample) const {
  if (!HasMail(sample)) return absl::InfiniteFuture();
  const bool fills_a_message =
      sample.waiting.tokens.size() >= static_cast<size_t>(options_.message_tokens);
  if (closed_ || full() || fills_a_message || sample.end.has_value()) return absl::InfinitePast();
  return sample.last_message + options_.message_delay;
}

absl::Time Mailbox::NextDue() const {
  absl::Time next = absl::InfiniteFuture();
  for (const auto& [index, sample] : samples_) next = std::min(next, DueTime(sample));
  return next;
}

std::optional<StreamEvent> Mailbox::Take(absl::Time now) {
  auto chosen = samples_.end();
  for (auto it = samples_.begin(); it != samples_.end(); ++it) {
    if (DueTime(it->second) > now) continue;
    if (chosen == samples_.end() || it->second.last_message < chosen->second.last_message) {
      chosen = it;
    }
  }
  if (chosen == samples_.end()) return std::nullopt;
  Sample& sample = chosen->second;
  sample.last_message = now;
  if (!sample.waiting.tokens.empty()) return TakeTokens(sample);
  SampleEnd end = *std::move(sample.end);
  samples_.erase(chosen);
  return end;
}

TokenBatch Mailbox::TakeTokens(Sample& sample) {
  TokenBatch& waiting = sample.waiting;
  const size_t all = waiting.tokens.size();
  const size_t count = std::min(all, static_cast<size_t>(options_.message_tokens));
  const size_t top_count = waiting.top_ids.size() / all;
  TokenBatch batch;
  batch.sample_index = waiting.sample_index;
  batch.first_position = waiting.first_position;
  batch.tokens = TakeFront(waiting.tokens, count);
  batch.log_probs = TakeFront(waiting.log_probs, count);
  batch.top_ids = TakeFront(waiting.top_ids, count * top_count);
  batch.top_values = TakeFront(waiting.top_values, count * top_count);
  waiting.first_position += static_cast<int>(count);
  tokens_ -= static_cast<int>(count);
  return batch;
}

}  // namespace strided
