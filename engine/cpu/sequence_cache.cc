#include "engine/cpu/sequence_cache.h"

#include <algorithm>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/cache/cache_bytes.h"

namespace strided {

absl::StatusOr<SequenceCache> SequenceCache::Create(const ModelConfig& config, int max_length,
                                                    int element_bytes) {
  SequenceCache cache;
  const int64_t bytes = SequenceCacheBytes(config, max_length, element_bytes);
  cache.memory_ = AlignedArray<std::byte>::Allocate(static_cast<size_t>(bytes));
  if (cache.memory_.null()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no memory for the ", bytes, " cache bytes of a sequence"));
  }
  cache.heads_per_layer_ = config.n_head;
  const auto element = static_cast<size_t>(element_bytes);
  cache.key_bytes_ = static_cast<size_t>(config.d_key) * element;
  cache.value_bytes_ = static_cast<size_t>(config.d_value) * element;

  std::vector<AttentionPattern> patterns;  // one per layout
  std::byte* next = cache.memory_.data();
  for (const auto& layer : config.attention) {
    for (const AttentionPattern& pattern : layer) {
      const auto found = std::find(patterns.begin(), patterns.end(), pattern);
      const auto layout = found - patterns.begin();
      if (found == patterns.end()) {
        patterns.push_back(pattern);
        cache.layouts_.emplace_back(pattern, max_length);
      }
      const auto rows = static_cast<size_t>(cache.layouts_[static_cast<size_t>(layout)].rows());
      Head head;
      head.layout = static_cast<int>(layout);
      head.keys = next;
      head.values = next + rows * cache.key_bytes_;
      next = head.values + rows * cache.value_bytes_;
      cache.heads_.push_back(head);
    }
  }
#ifndef NDEBUG
  std::memset(cache.memory_.data(), 0xff, cache.memory_.size());  // NaN in either element type
#endif
  return cache;
}

void SequenceCache::CopyFrom(const SequenceCache& other) {
  std::memcpy(memory_.data(), other.memory_.data(), memory_.size());
}

void SequenceCache::PoisonAfter([[maybe_unused]] const Head& head, [[maybe_unused]] int position) {
#ifndef NDEBUG
  for (int earlier = 0; earlier <= position; ++earlier) {
    for (const CacheHome& home : layout(head).HomesOf(earlier)) {
      const bool done_now = home.last_reader == position;
      const bool never_read = earlier == position && home.last_reader < position;
      if (done_now || never_read) Poison(head, home.row);
    }
  }
#endif
}

void SequenceCache::Poison(const Head& head, int row) {
  std::memset(head.keys + static_cast<size_t>(row) * key_bytes_, 0xff, key_bytes_);
  std::memset(head.values + static_cast<size_t>(row) * value_bytes_, 0xff, value_bytes_);
}

}  // namespace strided
