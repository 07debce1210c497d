// attend(q_i, K_S, V_S) of section 4.1, for the rows of a step.

#ifndef STRIDED_ENGINE_CPU_ATTENTION_H_
#define STRIDED_ENGINE_CPU_ATTENTION_H_

#include <cstdint>
#include <vector>

#include "engine/cache/cache_layout.h"
#include "engine/cpu/batch.h"
#include "engine/cpu/division.h"
#include "engine/cpu/kernels/aligned_array.h"
#include "engine/cpu/kernels/kernels.h"
#include "engine/cpu/kernels/packed_matrix.h"
#include "engine/cpu/sequence_cache.h"
#include "engine/model/config.h"

namespace strided {

// One thread's part of every layer's attention. Keeps its scratch; only the constructor allocates.
//
// In a layer it goes through units, a head of a sequence each, head by head. Caches are larger than
// what a core holds, so units are fetched ahead, in that order: by the products before, as far as
// they go, then by the units before them.
class Attention {
 public:
  // For batches of at most `max_rows` rows. Caches hold float32 where the weights' form is
  // kFloat32, else bfloat16. `config` and `kernels` outlive the object.
  Attention(const ModelConfig& config, const Kernels& kernels, ProductForm form, int max_rows);

  // What the layer's queries will read, for the products before it to fetch; nothing where there is
  // no such layer or a single unit. To be called once before each Run, for the same layer.
  FetchList& Ahead(const Batch& batch, const Division& part, int layer);

  // A layer's attention for the division's heads and sequences. Each row's key and value, from
  // `qkv` [row][head][query, key, value], are put into its sequence's cache, then its query reads
  // what its pattern names; the result goes to `mixed` [row][head][d_value].
  void Run(const Batch& batch, const Division& part, int layer, const ActivationRows& qkv,
           const ActivationRows& mixed);

 private:
  // A head of a sequence.
  struct Unit {
    const SequenceRun* run = nullptr;
    int head = 0;
  };

  // Calls body(unit) for each of the part's units, in order.
  template <class Body>
  static void ForEachUnit(const Batch& batch, const Division& part, const Body& body);
  // Adds the keys and values that the unit's first query reads to ahead_: two stretches.
  void ListUnit(const Batch& batch, int layer, const Unit& unit);
  void RunUnit(const Batch& batch, int layer, const Unit& unit);
  // The rows of the cache that the query at `position` reads, in the order of its sums.
  std::span<const int32_t> RowsOf(const CacheLayout& layout, int position);
  // Writes the row's key and value, which lie behind each other.
  void Keep(const float* key_and_value, const CacheHomes& homes,
            const SequenceCache::Head& head) const;
  void KeepRow(const float* values, int width, int row, std::byte* rows) const;

  const ModelConfig& config_;
  const Kernels& kernels_;
  const bool float32_cache_;
  const Kernels::Attend attend_;
  const int head_width_;  // of a row of qkv
  const size_t element_bytes_;
  const float scale_;  // 1 / sqrt(d_key), or 1

  // Of the current Run.
  ActivationRows qkv_;
  ActivationRows mixed_;

  AlignedArray<float> scratch_;
  std::vector<CacheStrip> strips_;
  std::vector<int32_t> rows_;  // what a query reads
  FetchList ahead_;            // of the layer whose attention comes next or runs
};

}  // namespace strided

#endif  // STRIDED_ENGINE_CPU_ATTENTION_H_
