// Drawn tokens that a stop sequence may still claim, with all that is pushed with them.

#ifndef STRIDED_SERVER_SCHEDULING_WITHHELD_TOKENS_H_
#define STRIDED_SERVER_SCHEDULING_WITHHELD_TOKENS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "server/scheduling/token_sink.h"

namespace strided {

// A ring of at most `capacity` tokens, the oldest first. Its memory is allocated by the first Add.
// Not thread-safe.
class WithheldTokens {
 public:
  // Each token comes with `top_count` alternatives.
  WithheldTokens(size_t capacity, size_t top_count) : capacity_(capacity), top_count_(top_count) {}

  // Copies what the spans show. Requires size() < capacity.
  void Add(const PushedToken& token);

  // The oldest; its spans are valid until the next Add. Requires size() > 0.
  PushedToken front() const;
  void PopFront();

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  size_t capacity_;
  size_t top_count_;
  size_t first_ = 0;
  size_t size_ = 0;
  std::vector<PushedToken> tokens_;  // [capacity], spans unset
  std::vector<int32_t> top_ids_;     // [capacity][top_count]
  std::vector<float> top_values_;    // the same
};

}  // namespace strided

#endif  // STRIDED_SERVER_SCHEDULING_WITHHELD_TOKENS_H_
