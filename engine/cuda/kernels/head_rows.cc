#include "engine/cuda/kernels/head_rows.h"

namespace strided::cuda {

Divisor Divisor::Of(int value) {
  int log = 0;  // rounded up
  while ((int64_t{1} << log) < value) ++log;
  Divisor divisor;
  divisor.value = value;
  divisor.shift = 31 + log;
  divisor.inverse =
      static_cast<uint32_t>((uint64_t{1} << divisor.shift) / static_cast<uint64_t>(value) + 1);
  return divisor;
}

HeadRows HeadRows::Of(const AttentionPattern& pattern) {
  const AttentionPattern::Spec& spec = pattern.spec();
  HeadRows rows;
  rows.kind = spec.kind;
  rows.cells = spec.cells;
  if (spec.kind == PatternKind::kLocal) {
    rows.period = spec.window;
  } else if (spec.kind != PatternKind::kDense) {
    rows.period = spec.stride;
  }
  const bool summarises = spec.kind == PatternKind::kSummary || spec.kind == PatternKind::kFixed;
  if (summarises) rows.offset = pattern.summary_offset();
  rows.by_period = Divisor::Of(rows.period);
  if (rows.cells > 0) rows.by_cells = Divisor::Of(rows.cells);
  return rows;
}

}  // namespace strided::cuda
