// Byte-pair encoding of one piece of text (Sennrich et al. 2016, "Neural machine translation of
// rare words with subword units", section 3.2): again and again, the pair of neighbours that was
// learnt first becomes one token, the leftmost on ties.

#ifndef STRIDED_ENGINE_TEXT_MERGE_TABLE_H_
#define STRIDED_ENGINE_TEXT_MERGE_TABLE_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace strided {

// Immutable once filled, and then safe to share between threads.
class MergeTable {
 public:
  // The next merge: `left` and `right` become `merged`. False where the pair has one already.
  bool Add(int32_t left, int32_t right, int32_t merged);

  // `tokens` with all merges made. O(n log n) for n tokens.
  std::vector<int32_t> Apply(std::vector<int32_t> tokens) const;

 private:
  struct Merge {
    int32_t rank = 0;
    int32_t merged = 0;
  };
  // Null where the two do not merge.
  const Merge* Find(int32_t left, int32_t right) const;

  absl::flat_hash_map<std::pair<int32_t, int32_t>, Merge> merges_;
};

}  // namespace strided

#endif  // STRIDED_ENGINE_TEXT_MERGE_TABLE_H_
