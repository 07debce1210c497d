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

#include "engine/cpu/kernels/kernels.h"
#include "engine/cpu/kernels/lanes-inl.h"
#include "engine/cpu/kernels/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace strided {
namespace HWY_NAMESPACE {

// A row of a cache, read a block of kElements at a time into kSixteens vectors. Element e of a
// block goes to lane LaneOf(e) of them taken together.
struct Float32CacheRow {
  static constexpr size_t kElements = 16;
  static constexpr size_t kBytes = 4;
  static constexpr size_t kSixteens = 1;
  static constexpr size_t LaneOf(size_t element) { return element; }
  static HWY_INLINE void LoadBlock(const std::byte* from, Sixteen (&block)[1]) {
    block[0] = Load(reinterpret_cast<const float*>(from));
  }
};

struct Bfloat16CacheRow {
  static constexpr size_t kElements = 32;
  static constexpr size_t kBytes = 2;
  static constexpr size_t kSixteens = 2;
  static constexpr size_t LaneOf(size_t element) { return element / 2 + element % 2 * kLanes; }
  static HWY_INLINE void LoadBlock(const std::byte* from, Sixteen (&block)[2]) {
    const EvenOdd pairs = LoadPairs(from);
    block[0] = pairs.even;
    block[1] = pairs.odd;
  }
};

// Loads block `index` of a row of `width` elements; zeros past the row's end, whatever lies there.
template <class Row>
HWY_INLINE void LoadRowBlock(const std::byte* row, size_t index, size_t width,
                             Sixteen (&block)[Row::kSixteens]) {
  const size_t first = index * Row::kElements;
  Row::LoadBlock(row + first * Row::kBytes, block);
  if (first + Row::kElements <= width) return;
  const size_t left = width - first;
  for (size_t s = 0; s < Row::kSixteens; ++s) {
    // With two vectors, one holds the even elements and one the odd.
    block[s] = KeepFirst(block[s], (left + Row::kSixteens - 1 - s) / Row::kSixteens);
  }
}

template <class Row>
HWY_INLINE size_t BlocksOf(int width) {
  return (static_cast<size_t>(width) + Row::kElements - 1) / Row::kElements;
}

// The parts of AttendTask::scratch.
struct AttendSpace {
  AttendSpace(const AttendTask& task, size_t keys)
      : query(task.scratch),
        scores(query + hwy::RoundUpTo(static_cast<size_t>(task.d_key), 32)),
        values(scores + hwy::RoundUpTo(keys + 4, kLanes)),
        rows(reinterpret_cast<int32_t*>(values + 32)) {}
  float* query;   // scaled, in the lanes of the keys
  float* scores;  // then weights; a whole number of sixteens
  float* values;  // a block of the output
  int32_t* rows;  // the cache row of each key
};

// The rows of the strips, one after the other; their number.
HWY_INLINE size_t ListRows(std::span<const CacheStrip> strips, int32_t* rows) {
  size_t count = 0;
  for (const CacheStrip& strip : strips) {
    for (int i = 0; i < strip.count; ++i) rows[count++] = strip.first + i;
  }
  return count;
}

template <class Row>
HWY_INLINE void SpreadQuery(const AttendTask& task, float* query) {
  const auto width = static_cast<size_t>(task.d_key);
  const size_t padded = BlocksOf<Row>(task.d_key) * Row::kElements;
  for (size_t e = 0; e < padded; ++e) {
    const size_t lane = e / Row::kElements * Row::kElements + Row::LaneOf(e % Row::kElements);
    query[lane] = e < width ? task.query[e] * task.scale : 0.0f;
  }
}

// scores[i] = query . key i. Past the last key, up to three scores are that key's again.
template <class Row>
HWY_INLINE void Scores(const AttendTask& task, const AttendSpace& space, size_t keys) {
  const auto width = static_cast<size_t>(task.d_key);
  const size_t blocks = BlocksOf<Row>(task.d_key);
  for (size_t i = 0; i < keys; i += 4) {
    const std::byte* row[4];
    Sixteen sum[4];
    for (size_t j = 0; j < 4; ++j) {
      const auto index = static_cast<size_t>(space.rows[std::min(i + j, keys - 1)]);
      row[j] = task.keys + index * width * Row::kBytes;
      sum[j] = Zero();
    }
    for (size_t b = 0; b < blocks; ++b) {
      for (size_t j = 0; j < 4; ++j) {
        Sixteen block[Row::kSixteens];
        LoadRowBlock<Row>(row[j], b, width, block);
        for (size_t s = 0; s < Row::kSixteens; ++s) {
          const Sixteen query = Load(space.query + (b * Row::kSixteens + s) * kLanes);
          sum[j] = MulAdd(query, block[s], sum[j]);
        }
      }
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
template <class Row, size_t kBlocks>
HWY_INLINE void WeightedSum(const AttendTask& task, const AttendSpace& space, size_t keys,
                            float factor, size_t first_block) {
  const auto width = static_cast<size_t>(task.d_value);
  Sixteen sum[kBlocks][Row::kSixteens];
  for (auto& block : sum) {
    for (Sixteen& part : block) part = Zero();
  }
  for (size_t i = 0; i < keys; ++i) {
    const std::byte* const row =
        task.values + static_cast<size_t>(space.rows[i]) * width * Row::kBytes;
    const Sixteen weight = Fill(space.scores[i]);
    for (size_t b = 0; b < kBlocks; ++b) {
      Sixteen block[Row::kSixteens];
      LoadRowBlock<Row>(row, first_block + b, width, block);
      for (size_t s = 0; s < Row::kSixteens; ++s) {
        sum[b][s] = MulAdd(weight, block[s], sum[b][s]);
      }
    }
  }
  for (size_t b = 0; b < kBlocks; ++b) {
    for (size_t s = 0; s < Row::kSixteens; ++s) {
      Store(sum[b][s] * Fill(factor), space.values + s * kLanes);
    }
    const size_t first = (first_block + b) * Row::kElements;
    const size_t count = std::min(Row::kElements, width - first);
    for (size_t e = 0; e < count; ++e) task.out[first + e] = space.values[Row::LaneOf(e)];
  }
}

// Eight vectors of sums at once where they fit the registers, else two.
template <class Row>
HWY_INLINE void WeightedSums(const AttendTask& task, const AttendSpace& space, size_t keys,
                             float factor) {
  constexpr size_t kAtOnce = (kParts == 1 ? 8 : 2) / Row::kSixteens;
  const size_t blocks = BlocksOf<Row>(task.d_value);
  size_t block = 0;
  for (; block + kAtOnce <= blocks; block += kAtOnce) {
    WeightedSum<Row, kAtOnce>(task, space, keys, factor, block);
  }
  for (; block < blocks; ++block) WeightedSum<Row, 1>(task, space, keys, factor, block);
}

template <class Row>
void Attend(const AttendTask& task) {
  size_t keys = 0;
  for (const CacheStrip& strip : task.strips) keys += static_cast<size_t>(strip.count);
  if (keys == 0) {
    std::fill_n(task.out, task.d_value, 0.0f);
    return;
  }
  const AttendSpace space(task, keys);
  ListRows(task.strips, space.rows);
  SpreadQuery<Row>(task, space.query);
  Scores<Row>(task, space, keys);
  const float sum = Exponentials(space.scores, keys);
  WeightedSums<Row>(task, space, keys, 1.0f / sum);
}

}  // namespace HWY_NAMESPACE
}  // namespace strided
HWY_AFTER_NAMESPACE();

#endif  // STRIDED_ENGINE_CPU_KERNELS_ATTEND_INL_H_
