// The arithmetic of engine/cache/cache_layout.h as kernels need it: by key rather than by strip.
//
// The k-th key that a query reads (the k-th row of CacheLayout::StripsOf, in order) lies in row
// KeyRow(query, k). Tested against CacheLayout on the host, where it compiles too.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_HEAD_ROWS_H_
#define STRIDED_ENGINE_CUDA_KERNELS_HEAD_ROWS_H_

#include "engine/model/attention_pattern.h"

#ifdef __CUDACC__
#define STRIDED_HOST_DEVICE __host__ __device__ __forceinline__
#else
#define STRIDED_HOST_DEVICE inline
#endif

namespace strided::cuda {

// A head's pattern. N, the sequence's longest length, is given to each function.
struct HeadRows {
  PatternKind kind = PatternKind::kDense;
  int period = 1;  // w of local, l of the others; unused by dense
  int cells = 0;   // c
  int offset = 0;  // o

  // Requires what AttentionPattern::Create has checked.
  static HeadRows Of(const AttentionPattern& pattern);

  STRIDED_HOST_DEVICE static int CeilDivide(int a, int b) { return (a + b - 1) / b; }
  STRIDED_HOST_DEVICE static int Least(int a, int b) { return a < b ? a : b; }

  // Rows before the open block's own: fixed and summary.
  STRIDED_HOST_DEVICE int SummaryRows(int max_length) const {
    return cells * CeilDivide(max_length, period);
  }
  // Fixed: whether row t holds position t.
  STRIDED_HOST_DEVICE bool InOrder(int max_length) const {
    return SummaryRows(max_length) + period >= max_length;
  }
  STRIDED_HOST_DEVICE bool IsSummaryCell(int position) const {
    const int within = position % period;
    return offset <= within && within < offset + cells;
  }
  // The first row of the positions t with t mod l = residue, for strided layouts.
  STRIDED_HOST_DEVICE int ColumnStart(int residue, int max_length) const {
    return residue * (max_length / period) + Least(residue, max_length % period);
  }
  STRIDED_HOST_DEVICE int ColumnRow(int position, int max_length) const {
    return ColumnStart(position % period, max_length) + position / period;
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
        return query / period + 1;
      case PatternKind::kLocalStrided:
        return query / period + 1 + Least(query, period - 1);
      case PatternKind::kBlock:
        return query % period + 1;
      case PatternKind::kSummary: {
        const int open = query % period - offset + 1;
        return query / period * cells + Least(open < 0 ? 0 : open, cells);
      }
      case PatternKind::kFixed:
        return query / period * cells + query % period + 1;
      case PatternKind::kPreviousBlock:
        return query < period ? 0 : period;
    }
    return 0;
  }

  // The most keys that any query up to `query` reads: a block's last one may read more than the
  // next block's first.
  STRIDED_HOST_DEVICE int MostKeys(int query) const {
    const int here = KeyCount(query);
    const int block_end = query / period * period - 1;
    const int before = block_end >= 0 ? KeyCount(block_end) : 0;
    return here > before ? here : before;
  }

  // Which of its keys is the query's own; -1: it does not read itself.
  STRIDED_HOST_DEVICE int OwnKey(int query) const {
    switch (kind) {
      case PatternKind::kLocal:
        return query % period;
      case PatternKind::kLocalStrided:
        return query / period;
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
        return ColumnStart(query % period, max_length) + k;
      case PatternKind::kLocalStrided: {
        const int column = query / period + 1;
        if (k < column) return ColumnStart(query % period, max_length) + k;
        return ColumnRow(query - Least(query, period - 1) + k - column, max_length);
      }
      case PatternKind::kFixed: {
        const int block = query / period;
        const int earlier = block * cells;
        if (!InOrder(max_length)) {
          return k < earlier ? k : SummaryRows(max_length) + k - earlier;
        }
        return k < earlier ? k / cells * period + offset + k % cells : block * period + k - earlier;
      }
      case PatternKind::kPreviousBlock:
        return (query / period - 1) % 2 * period + k;
      default:  // dense, local, block, summary: row by row
        return k;
    }
  }

  // Where a position's key is written; -1: nowhere. A position has two homes at the most.
  STRIDED_HOST_DEVICE int Home(int position, int max_length) const {
    switch (kind) {
      case PatternKind::kDense:
        return position;
      case PatternKind::kLocal:
      case PatternKind::kBlock:
        return position % period;
      case PatternKind::kStrided:
      case PatternKind::kLocalStrided:
        return ColumnRow(position, max_length);
      case PatternKind::kSummary:
        return IsSummaryCell(position) ? SummaryRow(position) : -1;
      case PatternKind::kFixed:
        return InOrder(max_length) ? position : SummaryRows(max_length) + position % period;
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
    return position / period * cells + position % period - offset;
  }
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_HEAD_ROWS_H_
