// How the threads of a team divide a step among them.
//
// Few rows: every thread makes its own outputs (and heads) of all rows, so that the weights are
// read once; they meet after each product. Many rows: every thread takes its own rows through all
// outputs; the weights are read once from memory and again from the last shared cache, and threads
// meet only around attention, or, where no sequence has rows on two threads, not at all.
//
// No row's arithmetic depends on the division.

#ifndef STRIDED_ENGINE_CPU_DIVISION_H_
#define STRIDED_ENGINE_CPU_DIVISION_H_

#include <cstdint>
#include <span>

#include "engine/cpu/batch.h"

namespace strided {

// [begin, end)
struct Range {
  int begin = 0;
  int end = 0;
  int size() const { return end - begin; }
  bool Holds(int value) const { return value >= begin && value < end; }
};

// The share of `index` when [0, total) is cut into `parts` nearly equal ranges: they follow each
// other, cover it, and differ by one in size at most; empty where total < parts leaves none.
// Requires 0 <= index < parts.
Range ShareOf(int total, int parts, int index);

// One thread's part of a step.
struct Division {
  bool by_rows = false;
  Range rows;     // that it takes through the products: its own, or all
  Range outputs;  // of the batch's outputs, those of `rows`
  // What it attends for: these heads of the sequences whose first row lies in attended_rows.
  Range heads;
  Range attended_rows;
  bool meet_before_attention = false;  // other threads make what it attends for
  bool meet_after_attention = false;   // other threads go on with it
};

// What a step is divided by, beside its batch.
struct TeamShape {
  int threads = 1;
  int heads = 1;  // of a layer
  // Rows of a thread from which each takes its own ones through all outputs.
  int fewest_rows = 1;
};

// The part of thread `index`. Pure: every thread gets the same answer about the others. Requires
// 0 <= index < threads; does not allocate.
Division DivideStep(const Batch& batch, const TeamShape& team, int index);

}  // namespace strided

#endif  // STRIDED_ENGINE_CPU_DIVISION_H_
