// Where one head keeps its past keys and values, and in which order each query reads them.
//
// Pure arithmetic on rows. A row holds one position's key and value; the rows of a head are
// numbered from 0. For N = the sequence's longest length, w, l, c as in attention_pattern.h:
//
// | pattern        | rows                    | position t is kept in row              |
// | dense          | N                       | t                                      |
// | local          | min(w, N)               | t mod w, a ring                        |
// | strided        | N                       | [t mod l][floor(t / l)], by residue    |
// | local_strided  | N                       | the same; the window is gathered       |
// | block          | min(l, N)               | t mod l                                |
// | summary        | min(c ceil(N/l), N)     | [floor(t / l)][t mod l - o], summary   |
// |                |                         | cells alone                            |
// | fixed          | min(c ceil(N/l) + l, N) | summary cells as above; then every     |
// |                |                         | position, t mod l                      |
// | previous_block | min(2l, N)              | t mod 2l                               |
//
// Where min takes N for fixed, row t holds position t and both sets are read from there.
//
// A query's strips, taken in order, are the order of its sums. The sequence of positions that they
// name depends on the pattern and the query alone, not on N: a sequence that is resumed with
// another longest length gives the same bits.

#ifndef STRIDED_ENGINE_CACHE_CACHE_LAYOUT_H_
#define STRIDED_ENGINE_CACHE_CACHE_LAYOUT_H_

#include <array>
#include <span>

#include "engine/model/attention_pattern.h"

namespace strided {

// Rows first, first + 1, ..., first + count - 1; count >= 1.
struct CacheStrip {
  int first = 0;
  int count = 0;
};

// A row that holds a position, from that position's step until it is read for the last time.
struct CacheHome {
  int row = 0;
  int last_reader = 0;  // the last query that reads the row; -1: none ever does
};

// The homes of one position: none, one, or two for a summary cell of `fixed`.
class CacheHomes {
 public:
  void Add(CacheHome home) { homes_[static_cast<size_t>(count_++)] = home; }
  const CacheHome* begin() const { return homes_.data(); }
  const CacheHome* end() const { return homes_.data() + count_; }

 private:
  std::array<CacheHome, 2> homes_;
  int count_ = 0;
};

// Immutable and cheap to copy; safe to share between threads. No function allocates.
class CacheLayout {
 public:
  // Requires max_length >= 1 (N).
  CacheLayout(const AttentionPattern& pattern, int max_length);

  // Rows of the head.
  int rows() const { return rows_; }
  // No query has more strips, here or in a shorter sequence.
  int max_strips() const;
  // No query reads more rows, here or in a shorter sequence: the length of its soft maximum.
  int max_keys() const;

  // Where `position` is written. Requires 0 <= position < N.
  CacheHomes HomesOf(int position) const;

  // What `query` reads, once its own key is written; empty where the pattern's set is. Written to
  // the front of `space`, which it returns. Requires 0 <= query < N, space.size() >= max_strips().
  std::span<const CacheStrip> StripsOf(int query, std::span<CacheStrip> space) const;

 private:
  bool HasSummary() const;
  // Whether `position` is a summary cell of its block. Requires HasSummary().
  bool IsSummaryCell(int position) const;
  // The first row of the positions t with t mod l = residue, for strided layouts.
  int ColumnStart(int residue) const;
  // The last query of `position`'s residue class.
  int LastOfColumn(int position) const;

  CacheHomes FixedHomes(int position) const;
  int AppendColumnAndWindow(int query, std::span<CacheStrip> space) const;
  int AppendFixed(int query, std::span<CacheStrip> space) const;

  AttentionPattern pattern_;
  int max_length_;         // N
  int stride_;             // l; w for local; N where a pattern has neither
  int cells_;              // c
  int offset_ = 0;         // o
  int rows_ = 0;           // rows of all
  int summary_rows_ = 0;   // fixed: rows before the block's own
  bool in_order_ = false;  // fixed: row t holds position t
};

}  // namespace strided

#endif  // STRIDED_ENGINE_CACHE_CACHE_LAYOUT_H_
