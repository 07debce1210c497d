// The arithmetic of a step, one table of functions per instruction set.
//
// Rules that every function keeps:
// - A row's (a query's, an element's) result has one order of operations. It does not depend on
//   the other rows, on how outputs are split between threads, or on where in a vector an element
//   lies. Sums over a row go over sixteen partial sums, element i into the (i mod 16)th, which are
//   then added as a tree: the same on vectors of any width.
// - So the sets that have fused multiply-add and use the same product form give the same bits.
// - A NaN or an infinity in a row makes that row's result not finite, and no other's.
// - Nothing is allocated. All functions are thread-safe on disjoint outputs.
//
// Rows of activations are float32; input vectors may be read up to 64 bytes past their end.

#ifndef STRIDED_ENGINE_CPU_KERNELS_KERNELS_H_
#define STRIDED_ENGINE_CPU_KERNELS_KERNELS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/strings/string_view.h"
#include "engine/cpu/kernels/fetch_list.h"
#include "engine/cpu/kernels/packed_matrix.h"
#include "engine/model/config.h"

namespace strided {

// Rows of a product's input in the form that a matrix asks for (packed_matrix.h).
struct EncodedRows {
  const std::byte* rows = nullptr;
  size_t stride = 0;              // bytes from one row to the next
  const float* scales = nullptr;  // per row, for the int8 forms: value = scale * integer
};

// out[r][o] = bias[o] + sum over i of weight[o][i] * input[r][i], for the outputs of some panels.
// float forms: one sum per output, that starts at 0, i ascending, then + bias; int8: exact in
// int32, then one multiply-add. `add`: the result is added to out.
struct ProductTask {
  const PackedMatrix* matrix = nullptr;
  int first_panel = 0;
  int last_panel = 0;  // exclusive
  EncodedRows input;
  int rows = 0;
  float* out = nullptr;   // [rows][out_stride], whole panels are written
  size_t out_stride = 0;  // floats
  bool add = false;
  // The panel that the same thread reads after these, to be fetched meanwhile; null: none.
  const std::byte* next = nullptr;
  // What else to fetch meanwhile; null: nothing.
  FetchList* aside = nullptr;

  // Bytes of a panel between two calls of FetchedBeside: whole groups of every form.
  static constexpr size_t kFetchedAtOnce = size_t{4} << 10;

  // What a kernel asks for, byte by byte, while it goes through kFetchedAtOnce bytes of a panel's
  // weights from `offset` on for a block of rows that starts with `row`.
  //
  // A few rows go through a panel faster than memory answers for a whole one: they ask for what
  // lies a little ahead. More rows ask for the panel behind; their blocks take turns with its
  // pieces, so that memory is asked at an even rate, and ask for what lies aside in between. Of a
  // panel that is large beside a core's cache, the first block asks for all.
  const std::byte* FetchedBeside(int panel, size_t offset, int row) const {
    constexpr int kBlockRows = 8;  // of the blocks that take turns
    const std::byte* const here = matrix->weights(panel) + offset;
    const int turns = Ahead() < matrix->panel_bytes() ? 1 : std::max(rows / kBlockRows, 1);
    const int turn = static_cast<int>(offset / kFetchedAtOnce) % turns;
    if (row == turn * kBlockRows) return InOrder(here + Ahead());
    const std::byte* const piece = aside != nullptr ? aside->Take(kFetchedAtOnce) : nullptr;
    return piece != nullptr ? piece : here;
  }

  // How far ahead weights are asked for, in bytes.
  size_t Ahead() const {
    constexpr int kFewRows = 4;
    constexpr size_t kFarthest = size_t{96} << 10;
    return rows < kFewRows ? kFetchedAtOnce : std::min(matrix->panel_bytes(), kFarthest);
  }

  // The address, or, beyond the last panel, what the thread reads there: `next`.
  const std::byte* InOrder(const std::byte* address) const {
    const std::byte* const end = matrix->panel(last_panel);
    return address < end || next == nullptr ? address : next + (address - end);
  }
};

// Section 4.1's attend for one query of one head: soft maximum of scale * q.k over some rows of a
// cache, in their order, times the values; zeros for no rows.
struct AttendTask {
  const float* query = nullptr;  // [d_key], readable up to a multiple of 32
  float scale = 1;
  const std::byte* keys = nullptr;    // [rows of the cache][d_key], float32 or bfloat16
  const std::byte* values = nullptr;  // [rows of the cache][d_value]
  int d_key = 0;
  int d_value = 0;
  std::span<const int32_t> rows;  // to read
  float* scratch = nullptr;       // AttendScratch floats
  float* out = nullptr;           // [d_value]
  // What to fetch meanwhile, as many bytes as are read; null: nothing.
  FetchList* aside = nullptr;
};

// Floats of scratch for a query that reads at most `keys` rows.
size_t AttendScratch(int keys, int d_key);

struct NormTask {
  const float* in = nullptr;  // [width]
  const float* weight = nullptr;
  const float* bias = nullptr;
  int width = 0;
  float epsilon = 0;
  Norm norm = Norm::kLayer;
  float* out = nullptr;  // [width]; not `in`
};

struct Kernels {
  using Product = void (*)(const ProductTask&);
  // `width` floats to one row of a form; `out` has room for width rounded up to 16 inputs, all of
  // which are written. Returns the row's scale; 1 for the float forms.
  using Encode = float (*)(const float* in, int width, std::byte* out);
  using Attend = void (*)(const AttendTask&);

  absl::string_view name;  // e.g. "avx2"
  // Names the bits of the arithmetic that is not a product: sets of one family agree.
  absl::string_view family;
  // The forms to use; null entries of `product` and `encode` are forms that it does not have.
  ProductForm bfloat16_form = ProductForm::kBfloat16Wide;
  ProductForm int8_form = ProductForm::kInt8Pairs;
  Product product[kProductForms] = {};
  Encode encode[kProductForms] = {};
  Attend attend_float32 = nullptr;
  Attend attend_bfloat16 = nullptr;
  void (*normalise)(const NormTask&) = nullptr;                      // of one row
  void (*activate)(Activation, float* values, int count) = nullptr;  // in place
  void (*to_bfloat16)(const float* in, int count, uint16_t* out) = nullptr;
};

// The sets that this processor has, narrowest first; never empty. The last is the one to use.
const std::vector<Kernels>& AvailableKernels();

}  // namespace strided

#endif  // STRIDED_ENGINE_CPU_KERNELS_KERNELS_H_
