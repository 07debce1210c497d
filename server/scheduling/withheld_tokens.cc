#include "server/scheduling/withheld_tokens.h"

#include <algorithm>
#include <span>

namespace strided {

void WithheldTokens::Add(const PushedToken& token) {
  tokens_.resize(capacity_);
  top_ids_.resize(capacity_ * top_count_);
  top_values_.resize(capacity_ * top_count_);
  const size_t at = (first_ + size_) % capacity_;
  ++size_;
  tokens_[at] = token;
  const size_t first_top = at * top_count_;
  std::copy_n(token.top_ids.begin(), top_count_, top_ids_.data() + first_top);
  std::copy_n(token.top_values.begin(), top_count_, top_values_.data() + first_top);
}

PushedToken WithheldTokens::front() const {
  PushedToken token = tokens_[first_];
  token.top_ids = std::span(top_ids_).subspan(first_ * top_count_, top_count_);
  token.top_values = std::span(top_values_).subspan(first_ * top_count_, top_count_);
  return token;
}

void WithheldTokens::PopFront() {
  first_ = (first_ + 1) % capacity_;
  --size_;
}

}  // namespace strided
