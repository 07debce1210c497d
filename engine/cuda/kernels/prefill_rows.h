// The rows of one prefill call, as kernels read them.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_PREFILL_ROWS_H_
#define STRIDED_ENGINE_CUDA_KERNELS_PREFILL_ROWS_H_

#include <cstdint>

namespace strided::cuda {

// Consecutive positions of one sequence, which are consecutive rows of the call.
struct RowRun {
  int32_t slot = 0;
  int32_t first_position = 0;
  int32_t first_row = 0;
  int32_t rows = 0;  // at least 1
};

struct PrefillRow {
  int32_t run = 0;    // index of its RowRun
  int32_t input = 0;  // x(t-1); kStartInput at t = 0
};

// All pointers are into device memory.
struct PrefillRows {
  const RowRun* runs = nullptr;
  const PrefillRow* rows = nullptr;
  int run_count = 0;
  int row_count = 0;
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_PREFILL_ROWS_H_
