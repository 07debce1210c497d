#include "engine/cache/cache_layout.h"

#include <algorithm>

namespace strided {
namespace {

int CeilDivide(int a, int b) { return (a + b - 1) / b; }

// What the pattern calls its period: the window of local, the stride of the others.
int PeriodOf(const AttentionPattern::Spec& spec, int max_length) {
  switch (spec.kind) {
    case PatternKind::kDense:
      return max_length;
    case PatternKind::kLocal:
      return spec.window;
    default:
      return spec.stride;
  }
}

int Append(CacheStrip strip, std::span<CacheStrip> space, int count) {
  if (strip.count == 0) return count;
  space[static_cast<size_t>(count)] = strip;
  return count + 1;
}

}  // namespace

CacheLayout::CacheLayout(const AttentionPattern& pattern, int max_length)
    : pattern_(pattern),
      max_length_(max_length),
      stride_(PeriodOf(pattern.spec(), max_length)),
      cells_(pattern.spec().cells) {
  if (HasSummary()) {
    offset_ = pattern.summary_offset();
    summary_rows_ = cells_ * CeilDivide(max_length, stride_);
  }
  switch (pattern.kind()) {
    case PatternKind::kDense:
    case PatternKind::kStrided:
    case PatternKind::kLocalStrided:
      rows_ = max_length;
      break;
    case PatternKind::kLocal:
    case PatternKind::kBlock:
      rows_ = std::min(stride_, max_length);
      break;
    case PatternKind::kSummary:
      rows_ = std::min(summary_rows_, max_length);
      break;
    case PatternKind::kFixed:
      rows_ = std::min(summary_rows_ + stride_, max_length);
      in_order_ = rows_ == max_length;
      break;
    case PatternKind::kPreviousBlock:
      rows_ = std::min(2 * stride_, max_length);
      break;
  }
}

int CacheLayout::max_strips() const {
  switch (pattern_.kind()) {
    case PatternKind::kLocalStrided:
      return stride_;
    case PatternKind::kFixed:
      return std::max(CeilDivide(max_length_, stride_), 2);
    default:
      return 1;
  }
}

int CacheLayout::max_keys() const {
  switch (pattern_.kind()) {
    case PatternKind::kStrided:
      return CeilDivide(max_length_, stride_);
    case PatternKind::kLocalStrided:
      return std::min(CeilDivide(max_length_, stride_) + stride_ - 1, max_length_);
    case PatternKind::kPreviousBlock:
      return std::min(stride_, max_length_);
    default:
      return rows_;
  }
}

bool CacheLayout::HasSummary() const {
  return pattern_.kind() == PatternKind::kSummary || pattern_.kind() == PatternKind::kFixed;
}

bool CacheLayout::IsSummaryCell(int position) const {
  const int within = position % stride_;
  return offset_ <= within && within < offset_ + cells_;
}

int CacheLayout::ColumnStart(int residue) const {
  // The first N mod l columns are one row longer than the others.
  return residue * (max_length_ / stride_) + std::min(residue, max_length_ % stride_);
}

int CacheLayout::LastOfColumn(int position) const {
  return position + (max_length_ - 1 - position) / stride_ * stride_;
}

CacheHomes CacheLayout::HomesOf(int position) const {
  const int last = max_length_ - 1;
  const int block_start = position - position % stride_;
  const int in_column = ColumnStart(position % stride_) + position / stride_;
  CacheHomes homes;
  switch (pattern_.kind()) {
    case PatternKind::kDense:
      homes.Add({position, last});
      break;
    case PatternKind::kLocal:
      homes.Add({position % stride_, std::min(position + stride_ - 1, last)});
      break;
    case PatternKind::kStrided:
      homes.Add({in_column, LastOfColumn(position)});
      break;
    case PatternKind::kLocalStrided:
      // Within the last l steps the window reads on to the end.
      homes.Add({in_column, position + stride_ > last ? last : LastOfColumn(position)});
      break;
    case PatternKind::kBlock:
      homes.Add({position % stride_, std::min(block_start + stride_ - 1, last)});
      break;
    case PatternKind::kSummary:
      if (IsSummaryCell(position)) {
        homes.Add({position / stride_ * cells_ + position % stride_ - offset_, last});
      }
      break;
    case PatternKind::kFixed:
      return FixedHomes(position);
    case PatternKind::kPreviousBlock: {
      const bool read = block_start + stride_ <= last;  // the next block begins
      const int last_reader = read ? std::min(block_start + 2 * stride_ - 1, last) : -1;
      homes.Add({position % (2 * stride_), last_reader});
      break;
    }
  }
  return homes;
}

CacheHomes CacheLayout::FixedHomes(int position) const {
  const int last = max_length_ - 1;
  const int block_end = std::min(position - position % stride_ + stride_ - 1, last);
  CacheHomes homes;
  if (in_order_) {
    homes.Add({position, IsSummaryCell(position) ? last : block_end});
    return homes;
  }
  homes.Add({summary_rows_ + position % stride_, block_end});
  if (IsSummaryCell(position)) {
    const int row = position / stride_ * cells_ + position % stride_ - offset_;
    homes.Add({row, block_end < last ? last : -1});  // later blocks read it
  }
  return homes;
}

std::span<const CacheStrip> CacheLayout::StripsOf(int query, std::span<CacheStrip> space) const {
  const int block = query / stride_;
  const int within = query % stride_;
  int count = 0;
  switch (pattern_.kind()) {
    case PatternKind::kDense:
      count = Append({0, query + 1}, space, count);
      break;
    case PatternKind::kLocal:  // the ring in the order of its rows
      count = Append({0, std::min(query + 1, stride_)}, space, count);
      break;
    case PatternKind::kStrided:
      count = Append({ColumnStart(within), block + 1}, space, count);
      break;
    case PatternKind::kLocalStrided:
      count = AppendColumnAndWindow(query, space);
      break;
    case PatternKind::kBlock:
      count = Append({0, within + 1}, space, count);
      break;
    case PatternKind::kSummary: {
      const int open = std::clamp(within - offset_ + 1, 0, cells_);
      count = Append({0, block * cells_ + open}, space, count);
      break;
    }
    case PatternKind::kFixed:
      count = AppendFixed(query, space);
      break;
    case PatternKind::kPreviousBlock:
      if (block > 0) count = Append({(block - 1) % 2 * stride_, stride_}, space, count);
      break;
  }
  return space.first(static_cast<size_t>(count));
}

// The query's own column, then the l - 1 positions before the query, oldest first: each lies in a
// column of its own.
int CacheLayout::AppendColumnAndWindow(int query, std::span<CacheStrip> space) const {
  int count = Append({ColumnStart(query % stride_), query / stride_ + 1}, space, 0);
  for (int key = std::max(query - stride_ + 1, 0); key < query; ++key) {
    count = Append({ColumnStart(key % stride_) + key / stride_, 1}, space, count);
  }
  return count;
}

// The summary cells of the blocks before the query's, then its own block.
int CacheLayout::AppendFixed(int query, std::span<CacheStrip> space) const {
  const int block = query / stride_;
  const int within = query % stride_;
  if (!in_order_) {
    const int count = Append({0, block * cells_}, space, 0);
    return Append({summary_rows_, within + 1}, space, count);
  }
  int count = 0;
  for (int earlier = 0; earlier < block; ++earlier) {
    count = Append({earlier * stride_ + offset_, cells_}, space, count);
  }
  return Append({block * stride_, within + 1}, space, count);
}

}  // namespace strided
