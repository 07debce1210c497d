// A query's keys as intervals, so that neighbouring queries share tiles of keys.
//
// With the right order of queries every pattern of engine/model/attention_pattern.h is dense: each
// query reads an interval of one axis of keys, or of two, and later queries never read earlier
// ends.
//
// | pattern        | queries by column      | consecutive queries                          |
// | dense, local   |                        | positions                                    |
// | block          |                        | positions                                    |
// | previous_block |                        | positions                                    |
// | summary        |                        | summary cells                                |
// | fixed          |                        | summary cells of earlier blocks, then        |
// |                |                        | positions of the open block                  |
// | strided        | column                 |                                              |
// | local_strided  | column before the      | positions of the window                      |
// |                | window                 |                                              |
//
// Host and device arithmetic; tested on the host against AttentionPattern and CacheLayout.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_KEY_SPANS_H_
#define STRIDED_ENGINE_CUDA_KERNELS_KEY_SPANS_H_

#include "engine/cuda/kernels/head_rows.h"

namespace strided::cuda {

// In which order prefill takes a head's queries: those of one residue mod l, or as they come.
enum class QueryOrder { kColumns, kConsecutive };

// What the numbers of an axis count. Key k is
enum class KeyAxis {
  kPositions,  // position k
  kColumn,     // the k-th position of the query's residue mod l
  kSummaries,  // the k-th summary cell
};

// Keys begin <= k < end of an axis; none where begin >= end.
struct KeySpan {
  KeyAxis axis = KeyAxis::kPositions;
  int begin = 0;
  int end = 0;
};

inline constexpr int kMaxSpans = 2;  // of a query in one order

// Whether the head's queries are taken in this order (local_strided: in both, columns first).
STRIDED_HOST_DEVICE bool TakesQueries(const HeadRows& head, QueryOrder order) {
  if (head.kind == PatternKind::kLocalStrided) return true;
  return (head.kind == PatternKind::kStrided) == (order == QueryOrder::kColumns);
}

// The query's span `index` of 0 and 1, in the order of its sums. Begin and end never fall as
// queries of one order go up. Requires TakesQueries(head, order).
STRIDED_HOST_DEVICE KeySpan SpanOf(const HeadRows& head, QueryOrder order, int index, int query) {
  const int period = head.period;
  if (order == QueryOrder::kColumns) {
    if (index == 1) return {KeyAxis::kColumn, 0, 0};
    // The query itself is in the window of local_strided.
    const int own = head.kind == PatternKind::kStrided ? 1 : 0;
    return {KeyAxis::kColumn, 0, head.by_period.Divide(query) + own};
  }
  if (head.kind == PatternKind::kFixed) {
    const int block = head.by_period.Divide(query);
    if (index == 0) return {KeyAxis::kSummaries, 0, block * head.cells};
    return {KeyAxis::kPositions, block * period, query + 1};
  }
  if (index == 1) return {KeyAxis::kPositions, 0, 0};
  switch (head.kind) {
    case PatternKind::kLocal:
    case PatternKind::kLocalStrided:
      return {KeyAxis::kPositions, query < period ? 0 : query - period + 1, query + 1};
    case PatternKind::kBlock:
      return {KeyAxis::kPositions, head.by_period.Divide(query) * period, query + 1};
    case PatternKind::kPreviousBlock: {
      const int begin = head.by_period.Divide(query) * period;
      return {KeyAxis::kPositions, begin == 0 ? 0 : begin - period, begin};
    }
    case PatternKind::kSummary:
      return {KeyAxis::kSummaries, 0, head.KeyCount(query)};
    default:
      return {KeyAxis::kPositions, 0, query + 1};
  }
}

// The position of an axis's key; `residue` is the query's, mod l.
STRIDED_HOST_DEVICE int PositionOf(const HeadRows& head, KeyAxis axis, int residue, int key) {
  if (axis == KeyAxis::kPositions) return key;
  if (axis == KeyAxis::kColumn) return residue + key * head.period;
  const int block = head.by_cells.Divide(key);
  return block * head.period + head.offset + key - block * head.cells;
}

// The row of the head's cache that holds an axis's key.
STRIDED_HOST_DEVICE int CacheRowOf(const HeadRows& head, KeyAxis axis, int residue, int key,
                                   int max_length) {
  if (axis == KeyAxis::kPositions) return head.Home(key, max_length);
  if (axis == KeyAxis::kColumn) return head.ColumnStart(residue, max_length) + key;
  const bool in_order = head.kind == PatternKind::kFixed && head.InOrder(max_length);
  return in_order ? PositionOf(head, axis, residue, key) : key;
}

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_KEY_SPANS_H_
