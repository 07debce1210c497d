#include "engine/cuda/kernels/head_rows.h"

namespace strided::cuda {

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
  return rows;
}

}  // namespace strided::cuda
