// Attention of one query over the rows that its pattern names.
//
// Keys and values lie row by row. Scores: lanes are elements of the key, four keys at a time.
// Soft maximum: lanes are keys. Weighted sum: lanes are elements of the value, keys in order. Bound
// by reading keys and values: keys * (d_key + d_value) elements.
//
// Included once per target by kernels.cc (Highway's foreach_target).

#if defined(STRIDED_ENGINE_CPU_KERNELS_ATTEND_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef STRIDED_ENGINE_CPU_KERNELS_ATTEND_INL_H_
#undef STRIDED_ENGINE_CPU_KERNELS_ATTEND_INL_H_
#else
#define STRIDED_ENGINE_CPU_KERNELS_ATTEND_INL_H_
#endif

#include <cstring>

#include "engine/cpu/kernels/kernels.h"
#include "engine/cpu/kernels/lanes-inl.h"
#include "engine/cpu/kernels/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace strided {
namespace HWY_NAMESPACE {

// A row of a cache, read a block of kElements at a time into kSixteens vectors, and floats in the
// order of the lanes that it is read into.
struct Float32CacheRow {
  static constexpr size_t kElements = 16;
  static constexpr size_t kBytes = 4;
  static constexpr size_t kSixteens = 1;
  using Block = Sixteen[kSixteens];
  static HWY_INLINE void LoadBlock(const std::byte* from, Block& block) {
    block[0] = Load(reinterpret_cast<const float*>(from));
  }
  static HWY_INLINE void LoadFloats(const float* from, Block& block) { block[0] = Load(from); }
  static HWY_INLINE void StoreFloats(const Block& block, float* to) { Store(block[0], to); }
};

struct Bfloat16CacheRow {
  static constexpr size_t kElements = 32;
  static constexpr size_t kBytes = 2;
  static constexpr size_t kSixteens = 2;
  using Block = Sixteen[kSixteens];  // elements of even index, of odd index
  static HWY_INLINE void LoadBlock(const std::byte* from, Block& block) {
    const EvenOdd pairs = LoadPairs(from);
    block[0] = pairs.even;
    block[1] = pairs.odd;
  }
  static HWY_INLINE void LoadFloats(const float* from, Block& block) {
    const EvenOdd pairs = LoadEvenOdd(from);
    block[0] = pairs.even;
    block[1] = pairs.odd;
  }
  static HWY_INLINE void StoreFloats(const Block& block, float* to) {
    StoreEvenOdd({block[0], block[1]}, to);
  }
};

#if defined(__SANITIZE_THREAD__) || HWY_IS_TSAN  // GCC's, and clang's as Highway knows it
constexpr bool kUnderThreadSanitizer = true;
#else
constexpr bool kUnderThreadSanitizer = false;
#endif

// Makes the elements of a block past the end of a row of `width` elements zero.
template <class Row>
HWY_INLINE void KeepWithinRow(size_t first_element, size_t width, typename Row::Block& block) {
  if (first_element + Row::kElements <= width) return;
  const size_t left = width - first_element;
  Unrolled<Row::kSixteens>([&](auto s) STRIDED_LAMBDA {
    block[s] = KeepFirst(block[s], (left + Row::kSixteens - 1 - s) / Row::kSixteens);
  });
}

// Loads block `index` of a row. kWhole: rows are whole blocks; else what lies past the row's end
// is not taken in.
template <class Row, bool kWhole>
HWY_INLINE void LoadRowBlock(const std::byte* row, size_t index, size_t width,
                             typename Row::Block& block) {
  const size_t first = index * Row::kElements;
  const std::byte* const from = row + first * Row::kBytes;
  if (kUnderThreadSanitizer && !kWhole && first + Row::kElements > width) {
    // What lies past the end can be the next head's, which another thread writes: ThreadSanitizer
    // would report it, although it is not taken in.
    std::byte within[Row::kElements * Row::kBytes] = {};
    std::memcpy(within, from, (width - first) * Row::kBytes);
    Row::LoadBlock(within, block);
    return;
  }
  Row::LoadBlock(from, block);
  if constexpr (!kWhole) KeepWithinRow<Row>(first, width, block);
}

template <class Row>
HWY_INLINE size_t BlocksOf(int width) {
  return (static_cast<size_t>(width) + Row::kElements - 1) / Row::kElements;
}

// The parts of AttendTask::scratch.
struct AttendSpace {
  explicit AttendSpace(const AttendTask& task)
      : query(task.scratch),
        values(query + hwy::RoundUpTo(static_cast<size_t>(task.d_key), 32)),
        scores(values + 32) {}
  float* query;   // scaled, in the lanes of the keys
  float* values;  // a block of the output
  float* scores;  // then weights; a whole number of sixteens
};

template <class Row>
HWY_INLINE void SpreadQuery(const AttendTask& task, float* query) {
  const auto width = static_cast<size_t>(task.d_key);
  const Sixteen scale = Fill(task.scale);
  for (size_t first = 0; first < width; first += Row::kElements) {
    typename Row::Block block;
    Row::LoadFloats(task.query + first, block);
    KeepWithinRow<Row>(first, width, block);
    for (size_t s = 0; s < Row::kSixteens; ++s) {
      Store(block[s] * scale, query + first + s * kLanes);
    }
  }
}

// scores[i] = query . key i. Past the last key, up to three scores are that key's again.
template <class Row, bool kWhole>
HWY_INLINE void Scores(const AttendTask& task, const AttendSpace& space) {
  const size_t keys = task.rows.size();
  const auto width = static_cast<size_t>(task.d_key);
  const size_t row_bytes = width * Row::kBytes;
  const size_t blocks = BlocksOf<Row>(task.d_key);
  for (size_t i = 0; i < keys; i += 4) {
    if (task.aside != nullptr) task.aside->Fetch(4 * row_bytes);
    const std::byte* row[4];
    Sixteen sum[4];
    Unrolled<4>([&](auto j) STRIDED_LAMBDA {
      const auto index = static_cast<size_t>(task.rows[std::min(i + j, keys - 1)]);
      row[j] = task.keys + index * row_bytes;
      sum[j] = Zero();
    });
    for (size_t b = 0; b < blocks; ++b) {
      const float* const query = space.query + b * Row::kElements;
      Unrolled<4>([&](auto j) STRIDED_LAMBDA {
        typename Row::Block block;
        LoadRowBlock<Row, kWhole>(row[j], b, width, block);
        Unrolled<Row::kSixteens>([&](auto s) STRIDED_LAMBDA {
          sum[j] = MulAdd(Load(query + s * kLanes), block[s], sum[j]);
        });
      });
    }
    SumsOfFour(sum, space.scores + i);
  }
}

// scores[i] := exp(scores[i] - the largest); their sum.
HWY_INLINE float Exponentials(float* scores, size_t keys) {
  Sixteen largest = Fill(-std::numeric_limits<float>::infinity());
  for (size_t i = keys; i % kLanes != 0; ++i) scores[i] = scores[0];  // changes no maximum
  for (size_t i = 0; i < keys; i += kLanes) largest = Larger(largest, Load(scores + i));
  const Sixteen top = Fill(LargestOf(largest));
  Sixteen sum = Zero();
  for (size_t i = 0; i < keys; i += kLanes) {
    const Sixteen weight = KeepFirst(Exp(Load(scores + i) - top), keys - i);
    sum = sum + weight;
    Store(weight, scores + i);
  }
  return SumOf(sum);
}

// out = factor * sum over the keys of weight * value, for kBlocks blocks from `first_block`.
template <class Row, bool kWhole, size_t kBlocks>
HWY_INLINE void WeightedSum(const AttendTask& task, const AttendSpace& space, float factor,
                            size_t first_block) {
  const auto width = static_cast<size_t>(task.d_value);
  const size_t row_bytes = width * Row::kBytes;
  constexpr size_t kFetchedRows = 8 / Row::kBytes;  // at once: few lines, and few calls
  FetchList* const aside = first_block == 0 ? task.aside : nullptr;
  typename Row::Block sum[kBlocks];
  Unrolled<kBlocks>([&](auto b) STRIDED_LAMBDA {
    Unrolled<Row::kSixteens>([&](auto s) STRIDED_LAMBDA { sum[b][s] = Zero(); });
  });
  for (size_t i = 0; i < task.rows.size(); ++i) {
    const std::byte* const row = task.values + static_cast<size_t>(task.rows[i]) * row_bytes;
    const Sixteen weight = Fill(space.scores[i]);
    if (aside != nullptr && i % kFetchedRows == 0) aside->Fetch(kFetchedRows * row_bytes);
    Unrolled<kBlocks>([&](auto b) STRIDED_LAMBDA {
      typename Row::Block block;
      LoadRowBlock<Row, kWhole>(row, first_block + b, width, block);
      Unrolled<Row::kSixteens>([&](auto s)
                                   HWY_ATTR { sum[b][s] = MulAdd(weight, block[s], sum[b][s]); });
    });
  }
  Unrolled<kBlocks>([&](auto b) STRIDED_LAMBDA {
    Unrolled<Row::kSixteens>([&](auto s) STRIDED_LAMBDA { sum[b][s] = sum[b][s] * Fill(factor); });
    const size_t first = (first_block + b) * Row::kElements;
    if (kWhole || first + Row::kElements <= width)
      return Row::StoreFloats(sum[b], task.out + first);
    Row::StoreFloats(sum[b], space.values);
    std::copy_n(space.values, width - first, task.out + first);
  });
}

// As many vectors of sums at once as fit the registers.
template <class Row, bool kWhole>
HWY_INLINE void WeightedSums(const AttendTask& task, const AttendSpace& space, float factor) {
  constexpr size_t kAtOnce = std::max<size_t>(8 / kParts, 2) / Row::kSixteens;
  const size_t blocks = BlocksOf<Row>(task.d_value);
  size_t block = 0;
  for (; block + kAtOnce <= blocks; block += kAtOnce) {
    WeightedSum<Row, kWhole, kAtOnce>(task, space, factor, block);
  }
  for (; block < blocks; ++block) WeightedSum<Row, kWhole, 1>(task, space, factor, block);
}

template <class Row, bool kWhole>
HWY_INLINE void AttendRows(const AttendTask& task) {
  const AttendSpace space(task);
  SpreadQuery<Row>(task, space.query);
  Scores<Row, kWhole>(task, space);
  const float sum = Exponentials(space.scores, task.rows.size());
  WeightedSums<Row, kWhole>(task, space, 1.0f / sum);
}

template <class Row>
void Attend(const AttendTask& task) {
  constexpr int kElements = static_cast<int>(Row::kElements);
  if (task.rows.empty()) {
    std::fill_n(task.out, task.d_value, 0.0f);
  } else if (task.d_key % kElements == 0 && task.d_value % kElements == 0) {
    AttendRows<Row, true>(task);
  } else {
    AttendRows<Row, false>(task);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace strided
HWY_AFTER_NAMESPACE();

#endif  // STRIDED_ENGINE_CPU_KERNELS_ATTEND_INL_H_
