// A step as the CPU runs it.

#ifndef STRIDED_ENGINE_CPU_BATCH_H_
#define STRIDED_ENGINE_CPU_BATCH_H_

#include <cstddef>
#include <span>

#include "engine/cpu/sequence_cache.h"
#include "engine/step.h"

namespace strided {

// The rows of one sequence in a step: `rows` consecutive positions from the batch's `first_row`,
// and those of its outputs. The cache and the start vector are the sequence's, which outlives the
// step.
struct SequenceRun {
  SequenceCache* cache = nullptr;
  const float* start = nullptr;  // [d_model], the input of position 0
  int first_row = 0;
  int rows = 0;
  int first_output = 0;  // in the batch's outputs
  int outputs = 0;
};

// What Transformer::Run takes: the plan's rows, and how they fall into sequences. All spans live as
// long as the step; none is written to.
struct Batch {
  std::span<const StepRow> rows;
  std::span<const SequenceRun> runs;  // cover the rows, in order; no cache twice
  std::span<const int> outputs;       // ascending rows that want logits
};

// One stage's activations of all rows, shared by the team. A view.
struct ActivationRows {
  float* values = nullptr;  // [max_rows][stride]
  size_t stride = 0;        // floats
  float* row(int index) const { return values + static_cast<size_t>(index) * stride; }
};

}  // namespace strided

#endif  // STRIDED_ENGINE_CPU_BATCH_H_
