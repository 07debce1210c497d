#include "engine/cpu/division.h"

#include <algorithm>

namespace strided {
namespace {

bool SequencesApart(const Batch& batch, int threads) {
  const int rows = static_cast<int>(batch.rows.size());
  for (int thread = 0; thread < threads; ++thread) {
    const Range share = ShareOf(rows, threads, thread);
    for (const SequenceRun& run : batch.runs) {
      if (share.Holds(run.first_row) && run.first_row + run.rows > share.end) return false;
    }
  }
  return true;
}

Range OutputsOfRows(std::span<const int> outputs, Range rows) {
  const auto before = [&](int row) {
    return static_cast<int>(std::lower_bound(outputs.begin(), outputs.end(), row) -
                            outputs.begin());
  };
  return {before(rows.begin), before(rows.end)};
}

}  // namespace

Range ShareOf(int total, int parts, int index) {
  const auto cut = [total, parts](int i) { return static_cast<int>(int64_t{total} * i / parts); };
  return {cut(index), cut(index + 1)};
}

Division DivideStep(const Batch& batch, const TeamShape& team, int index) {
  const int threads = team.threads;
  const int heads = team.heads;
  const int rows = static_cast<int>(batch.rows.size());
  const Range all_rows = {0, rows};
  Division part;
  part.by_rows = rows >= team.fewest_rows * threads;
  part.rows = part.by_rows ? ShareOf(rows, threads, index) : all_rows;
  part.outputs = OutputsOfRows(batch.outputs, part.rows);
  part.heads = {0, heads};
  part.attended_rows = part.rows;
  if (threads == 1 || (part.by_rows && SequencesApart(batch, threads))) return part;

  const bool even_heads = heads % threads == 0;
  if (even_heads || heads >= static_cast<int>(batch.runs.size())) {
    part.heads = ShareOf(heads, threads, index);
    part.attended_rows = all_rows;
  } else {
    part.attended_rows = ShareOf(rows, threads, index);
  }
  // By outputs, a thread that attends for its share of even heads has made their q, k and v itself.
  part.meet_before_attention = part.by_rows || !even_heads;
  part.meet_after_attention = true;
  return part;
}

}  // namespace strided
