// The arithmetic of engine/cache/cache_layout.h as kernels need it: by key rather than by strip.
//
// The k-th key that a query reads (the k-th row of CacheLayout::StripsOf, in order) lies in row
// KeyRow(query, k). Tested against CacheLayout on the host, where it compiles too.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_HEAD_ROWS_H_
#define STRIDED_ENGINE_CUDA_KERNELS_HEAD_ROWS_H_

#include <cstdint>

#include "engine/model/attention_pattern.h"

#ifdef __CUDACC__
#define STRIDED_HOST_DEVICE __host__ __device__ __forceinline__
#else
#define STRIDED_HOST_DEVICE inline
#endif

namespace strided::cuda {

// Division by a number that is known before, in few instructions: exact for dividends 0 <= x < 2^31
// (Granlund and Montgomery 1994, section 4).
struct Divisor {
  int value = 1;
  uint32_t inverse = (uint32_t{1} << 31) + 1;  // 2^shift / value, the next integer above
  int shift = 31;

  // Requires value >= 1.
  static Divisor Of(int value);

  STRIDED_HOST_DEVICE int Divide(int x) const {
    return static_cast<int>(static_cast<uint64_t>(static_cast<uint32_t>(x)) * inverse >> shift);
  }
  STRIDED_HOST_DEVICE int Remainder(int x) const { return x - Divide(x) * value; }
};

// Rows of a query's keys that lie in two stretches.
struct KeyStretches {
  int split = 0;         // the first key of the second stretch
  int jump = 0;          // by which its rows are further on
  bool straight = true;  // false: the rows are no such stretches

  STRIDED_HOST_DEVICE int RowOf(int k) const { return k < split ? k : k + jump; }
};

// A head's pattern. N, the sequence's longest length, is given to each function.
struct HeadRows {
  PatternKind kind = PatternKind::kDense;
  int period = 1;  // w of local, l of the others; unused by dense
  int cells = 0;   // c
  int offset = 0;  // o
  Divisor by_period;
  Divisor by_cells;  // 1 where the pattern has none

  // Requires what AttentionPattern::Create has checked.
  static HeadRows Of(const AttentionPattern& pattern);

  STRIDED_HOST_DEVICE static int CeilDivide(int a, int b) { return (a + b - 1) / b; }
  STRIDED_HOST_DEVICE static int Least(int a, int b) { return a < b ? a : b; }

  // Rows before the open block's own: fixed and summary.
  STRIDED_HOST_DEVICE int SummaryRows(int max_length) const {
    return cells * by_period.Divide(max_length + period - 1);
  }
  // Fixed: whether row t holds position t.
  STRIDED_HOST_DEVICE bool InOrder(int max_length) const {
    return SummaryRows(max_length) + period >= max_length;
  }
  STRIDED_HOST_DEVICE bool IsSummaryCell(int position) const {
    const int within = by_period.Remainder(position);
    return offset <= within && within < offset + cells;
  }
  // The first row of the positions t with t mod l = residue, for strided layouts.
  STRIDED_HOST_DEVICE int ColumnStart(int residue, int max_length) const {
    return residue * by_period.Divide(max_length) + Least(residue, by_period.Remainder(max_length));
  }
  STRIDED_HOST_DEVICE int ColumnRow(int position, int max_length) const {
    return ColumnStart(by_period.Remainder(position), max_length) + by_period.Divide(position);
  }

  // Rows of the head.
  STRIDED_HOST_DEVICE int Rows(int max_length) const {
    switch (kind) {
      case PatternKind::kLocal:
      case PatternKind::kBlock:
        return Least(period, max_length);
      case PatternKind::kSummary:
        return Least(SummaryRows(max_length), max_length);
      case PatternKind::kFixed:
        return Least(SummaryRows(max_length) + period, max_length);
      case PatternKind::kPreviousBlock:
        return Least(2 * period, max_length);
      default:
        return max_length;
    }
  }

  // How many keys `query` reads; 0 where the pattern's set is empty.
  STRIDED_HOST_DEVICE int KeyCount(int query) const {
    switch (kind) {
      case PatternKind::kDense:
        return query + 1;
      case PatternKind::kLocal:
        return Least(query + 1, period);
      case PatternKind::kStrided:
        return by_period.Divide(query) + 1;
      case PatternKind::kLocalStrided:
        return by_period.Divide(query) + 1 + Least(query, period - 1);
      case PatternKind::kBlock:
        return by_period.Remainder(query) + 1;
      case PatternKind::kSummary: {
        const int open = by_period.Remainder(query) - offset + 1;
        return by_period.Divide(query) * cells + Least(open < 0 ? 0 : open, cells);
      }
      case PatternKind::kFixed:
        return by_period.Divide(query) * cells + by_period.Remainder(query) + 1;
      case PatternKind::kPreviousBlock:
        return query < period ? 0 : period;
    }
    return 0;
  }

  // The most keys that any query up to `query` reads: a block's last one may read more than the
  // next block's first.
  STRIDED_HOST_DEVICE int MostKeys(int query) const {
    const int here = KeyCount(query);
    const int block_end = by_period.Divide(query) * period - 1;
    const int before = block_end >= 0 ? KeyCount(block_end) : 0;
    return here > before ? here : before;
  }

  // Which of its keys is the query's own; -1: it does not read itself.
  STRIDED_HOST_DEVICE int OwnKey(int query) const {
    switch (kind) {
      case PatternKind::kLocal:
        return by_period.Remainder(query);
      case PatternKind::kLocalStrided:
        return by_period.Divide(query);
      case PatternKind::kSummary:
        return IsSummaryCell(query) ? KeyCount(query) - 1 : -1;
      case PatternKind::kPreviousBlock:
        return -1;
      default:
        return KeyCount(query) - 1;
    }
  }

  // The row of the query's k-th key. Requires 0 <= k < KeyCount(query).
  STRIDED_HOST_DEVICE int KeyRow(int query, int k, int max_length) const {
    switch (kind) {
      case PatternKind::kStrided:
        return ColumnStart(by_period.Remainder(query), max_length) + k;
      case PatternKind::kLocalStrided: {
        const int column = by_period.Divide(query) + 1;
        if (k < column) return ColumnStart(by_period.Remainder(query), max_length) + k;
        return ColumnRow(query - Least(query, period - 1) + k - column, max_length);
      }
      case PatternKind::kFixed: {
        const int block = by_period.Divide(query);
        const int earlier = block * cells;
        if (!InOrder(max_length)) {
          return k < earlier ? k : SummaryRows(max_length) + k - earlier;
        }
        return k < earlier ? by_cells.Divide(k) * period + offset + by_cells.Remainder(k)
                           : block * period + k - earlier;
      }
      case PatternKind::kPreviousBlock:
        return (by_period.Divide(query) - 1) % 2 * period + k;
      default:  // dense, local, block, summary: row by row
        return k;
    }
  }

  // The same rows for all k at once, where they are two stretches.
  STRIDED_HOST_DEVICE KeyStretches StretchesOf(int query, int max_length) const {
    KeyStretches rows;
    switch (kind) {
      case PatternKind::kStrided:
        rows.jump = ColumnStart(by_period.Remainder(query), max_length);
        break;
      case PatternKind::kPreviousBlock:
        rows.jump = (by_period.Divide(query) - 1) % 2 * period;
        break;
      case PatternKind::kFixed:
        rows.straight = !InOrder(max_length);
        rows.split = by_period.Divide(query) * cells;
        rows.jump = SummaryRows(max_length) - rows.split;
        break;
      case PatternKind::kLocalStrided:
        rows.straight = false;
        break;
      default:  // dense, local, block, summary: row by row
        break;
    }
    return rows;
  }

  // Where a position's key is written; -1: nowhere. A position has two homes at the most.
  STRIDED_HOST_DEVICE int Home(int position, int max_length) const {
    switch (kind) {
      case PatternKind::kDense:
        return position;
      case PatternKind::kLocal:
      case PatternKind::kBlock:
        return by_period.Remainder(position);
      case PatternKind::kStrided:
      case PatternKind::kLocalStrided:
        return ColumnRow(position, max_length);
      case PatternKind::kSummary:
        return IsSummaryCell(position) ? SummaryRow(position) : -1;
      case PatternKind::kFixed:
        return InOrder(max_length) ? position
                                   : SummaryRows(max_length) + by_period.Remainder(position);
      case PatternKind::kPreviousBlock:
        return position % (2 * period);
    }
    return -1;
  }
  // The other home of a summary cell of `fixed`; -1: none.
  STRIDED_HOST_DEVICE int SecondHome(int position, int max_length) const {
    if (kind != PatternKind::kFixed || InOrder(max_length) || !IsSummaryCell(position)) return -1;
    return SummaryRow(position);
  }

  STRIDED_HOST_DEVICE int SummaryRow(int position) const {
    return by_period.Divide(position) * cells + by_period.Remainder(position) - offset;
  }
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_HEAD_ROWS_H_
