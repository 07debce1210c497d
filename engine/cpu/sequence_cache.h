// One sequence's past keys and values: a block of memory, divided by layer and head.

#ifndef STRIDED_ENGINE_CPU_SEQUENCE_CACHE_H_
#define STRIDED_ENGINE_CPU_SEQUENCE_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/cache/cache_layout.h"
#include "engine/cpu/kernels/aligned_array.h"
#include "engine/model/config.h"

namespace strided {

// Keys [rows][d_key] and values [rows][d_value] of each layer's heads, rows as the head's
// CacheLayout says, elements float32 or bfloat16. Move only. Different heads may be used by
// different threads at once.
class SequenceCache {
 public:
  struct Head {
    int layout = 0;  // index into the layouts: heads with equal patterns share one
    std::byte* keys = nullptr;
    std::byte* values = nullptr;
  };

  // For a sequence of at most `max_length` positions. ResourceExhausted where memory does not
  // suffice, with the number of bytes.
  static absl::StatusOr<SequenceCache> Create(const ModelConfig& config, int max_length,
                                              int element_bytes);

  // SequenceCacheBytes(config, max_length, element_bytes).
  int64_t bytes() const { return static_cast<int64_t>(memory_.size()); }

  const Head& head(int layer, int head) const {
    return heads_[static_cast<size_t>(int64_t{layer} * heads_per_layer_ + head)];
  }
  const CacheLayout& layout(const Head& head) const {
    return layouts_[static_cast<size_t>(head.layout)];
  }

  // Takes over the contents of a cache of the same config, max_length and element_bytes.
  void CopyFrom(const SequenceCache& other);

  // In a build without NDEBUG, fills with NaN each row of the head that no query after `position`
  // reads, so that a test sees whoever does. In a release build, nothing.
  void PoisonAfter(const Head& head, int position);

 private:
  SequenceCache() = default;
  void Poison(const Head& head, int row);

  int heads_per_layer_ = 0;
  size_t key_bytes_ = 0;    // of one row
  size_t value_bytes_ = 0;  // of one row
  std::vector<CacheLayout> layouts_;
  std::vector<Head> heads_;  // [layer][head]
  AlignedArray<std::byte> memory_;
};

}  // namespace strided

#endif  // STRIDED_ENGINE_CPU_SEQUENCE_CACHE_H_
