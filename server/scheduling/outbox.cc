#include "server/scheduling/outbox.h"

#include <span>
#include <utility>

namespace strided {

void Outbox::Push(const PushedToken& token) {
  tokens_.push_back(token);
  if (token.top_ids.empty()) return;
  top_ids_.insert(top_ids_.end(), token.top_ids.begin(), token.top_ids.end());
  top_values_.insert(top_values_.end(), token.top_values.begin(), token.top_values.end());
}

void Outbox::FinishSample(SampleEnd end) { ends_.push_back({tokens_.size(), std::move(end)}); }

void Outbox::SendTo(TokenSink* sink) {
  size_t top = 0;
  for (PushedToken& token : tokens_) {
    const size_t count = token.top_ids.size();
    token.top_ids = std::span(top_ids_).subspan(top, count);
    token.top_values = std::span(top_values_).subspan(top, count);
    top += count;
  }
  const std::span<const PushedToken> tokens(tokens_);
  size_t sent = 0;
  for (const End& end : ends_) {
    if (end.place > sent) sink->Push(tokens.subspan(sent, end.place - sent));
    sent = end.place;
    sink->FinishSample(end.end);
  }
  if (sent < tokens.size()) sink->Push(tokens.subspan(sent));
  tokens_.clear();
  top_ids_.clear();
  top_values_.clear();
  ends_.clear();
}

}  // namespace strided
