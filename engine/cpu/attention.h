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

// One thread's part of every layer's attention. Keeps its scratch; Run does not allocate.
class Attention {
 public:
  // Caches hold float32 where the weights' form is kFloat32, else bfloat16. `config` and `kernels`
  // outlive the object.
  Attention(const ModelConfig& config, const Kernels& kernels, ProductForm form);

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
  // What a query reads.
  struct Lookup {
    SequenceCache::Head head;
    std::vector<int32_t> space;     // for the longest list
    std::span<const int32_t> rows;  // of the head's cache
    CacheStrip longest;             // of the strips that they come from
  };

  // Lists what the query at `position` reads.
  void Look(const SequenceCache& cache, const SequenceCache::Head& head, int position,
            Lookup& lookup);
  // The rows of a strip, of `width` elements each.
  FetchedRows Stretch(const std::byte* rows, const CacheStrip& strip, int width) const;
  // `current` is what the unit's first row reads; `next`, null or what will be read after the unit.
  void RunUnit(const Batch& batch, const Unit& unit, Lookup& current, const Lookup* next);
  // Writes the row's key and value, which lie behind each other.
  void Keep(const float* key_and_value, const CacheHomes& homes,
            const SequenceCache::Head& head) const;
  void KeepRow(const float* values, int width, int row, std::byte* rows) const;

  const ModelConfig& config_;
  const Kernels& kernels_;
  const bool float32_cache_;
  const Kernels::Attend attend_;
  const int head_width_;  // of a row of qkv
  const float scale_;     // 1 / sqrt(d_key), or 1

  // Of the current Run.
  ActivationRows qkv_;
  ActivationRows mixed_;

  AlignedArray<float> scratch_;
  std::vector<CacheStrip> strips_;
  Lookup lookups_[2];  // what is read now, and what is fetched meanwhile
};

}  // namespace strided

#endif  // STRIDED_ENGINE_CPU_ATTENTION_H_
