// A weight matrix in the order in which the product kernels read it.
//
// Outputs are grouped in panels of 32; the last panel is filled up with zero rows. A panel begins
// with its head: the outputs' biases and, in the int8 forms, their scales and offsets. Behind it
// the weights lie [ceil(in / depth)][32][depth]: the kernels multiply one input, or `depth` of them
// at once, with 32 outputs, inputs ascending. So a panel, and a matrix, is one stream: the head,
// then 128-byte (float32, quads, pairs of bfloat16) or 64-byte (pairs of int8) groups.

#ifndef STRIDED_ENGINE_CPU_KERNELS_PACKED_MATRIX_H_
#define STRIDED_ENGINE_CPU_KERNELS_PACKED_MATRIX_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/cpu/kernels/aligned_array.h"
#include "engine/model/tensor.h"

namespace strided {

inline constexpr int kPanelWidth = 32;  // outputs

// How weights are stored and what the input is turned into.
enum class ProductForm {
  kFloat32,       // weights float32; inputs float32; depth 1
  kBfloat16Wide,  // weights bfloat16, widened; inputs float32; depth 2
  kBfloat16Dot,   // weights bfloat16; inputs rounded to bfloat16; depth 2
  kInt8Pairs,     // weights int8; inputs int16 in [-127, 127]; depth 2
  kInt8Quads,     // weights int8; inputs uint8, 128 added; depth 4
};
inline constexpr int kProductForms = 5;

// Inputs that a kernel multiplies at once: 1, 2 or 4.
int DepthOf(ProductForm form);
// Bytes of one input of the product, after it was encoded: 4, 2 or 1.
int InputBytesOf(ProductForm form);
// Whether sums are integers, and rows and outputs have scales.
bool IsInt8(ProductForm form);

// `count` rounded up to whole panels.
inline int PanelPadded(int count) { return (count + kPanelWidth - 1) / kPanelWidth * kPanelWidth; }

// Memory for all weights of a model, given out from its front in the order of computation.
class WeightArena {
 public:
  // null() of the memory tells whether it was had.
  explicit WeightArena(size_t bytes) : memory_(AlignedArray<std::byte>::Allocate(bytes)) {}

  bool null() const { return memory_.null(); }
  // Zeroed, aligned to a cache line. Requires that so much is left.
  std::byte* Take(size_t bytes);
  // What Take(bytes) uses up.
  static size_t Rounded(size_t bytes) { return (bytes + 63) / 64 * 64; }

 private:
  AlignedArray<std::byte> memory_;
  size_t used_ = 0;
};

// Rows of a stored tensor, and where in the packed matrix they go.
struct MatrixPart {
  const Tensor* weight = nullptr;
  const Tensor* bias = nullptr;  // null: zeros
  int first_row = 0;             // of weight and bias
  int rows = 0;
  int output = 0;  // the packed matrix's output that first_row becomes
};

// Points into the arena that it was packed in, and must not outlive it. Cheap to copy; immutable.
class PackedMatrix {
 public:
  PackedMatrix() = default;  // no outputs

  // Bytes of the weights that a product reads.
  static size_t WeightBytes(ProductForm form, int outputs, int inputs);
  // Bytes that Pack takes from an arena: the above and the panels' heads.
  static size_t ArenaBytes(ProductForm form, int outputs, int inputs);
  // Outputs that no part names are zero. int8 weights are used as they are stored, or rounded with
  // one scale per output, the largest magnitude becoming 127.
  static PackedMatrix Pack(ProductForm form, int outputs, std::span<const MatrixPart> parts,
                           WeightArena& arena);

  ProductForm form() const { return form_; }
  int outputs() const { return outputs_; }
  int inputs() const { return inputs_; }
  int panels() const { return PanelPadded(outputs_) / kPanelWidth; }
  // ceil(inputs / depth).
  int groups() const { return groups_; }
  // From one panel to the next.
  size_t panel_bytes() const { return panel_bytes_; }
  const std::byte* panel(int index) const {
    return panels_ + static_cast<size_t>(index) * panel_bytes_;
  }
  const std::byte* weights(int index) const { return panel(index) + head_bytes_; }

  // Of a panel's head, [32] each; scales and offsets for the int8 forms alone.
  const float* bias(int index) const { return Head(index); }
  const float* scales(int index) const { return Head(index) + kPanelWidth; }
  // Added to the integer sum: -128 times the sum of the output's weights for quads, else 0.
  const int32_t* offsets(int index) const {
    return reinterpret_cast<const int32_t*>(Head(index) + ptrdiff_t{2} * kPanelWidth);
  }

 private:
  void PackRow(const MatrixPart& part, int row, std::span<float> scratch);
  void PackInt8Row(const MatrixPart& part, int row, std::span<float> scratch);
  // The address of weight (output, input).
  std::byte* At(int output, int input);
  // The address of the output's value number `kind` of a head: 0 bias, 1 scale, 2 offset.
  std::byte* InHead(int kind, int output);
  const float* Head(int index) const { return reinterpret_cast<const float*>(panel(index)); }

  ProductForm form_ = ProductForm::kFloat32;
  int outputs_ = 0;
  int inputs_ = 0;
  int groups_ = 0;
  size_t head_bytes_ = 0;
  size_t panel_bytes_ = 0;
  std::byte* panels_ = nullptr;
};

}  // namespace strided

#endif  // STRIDED_ENGINE_CPU_KERNELS_PACKED_MATRIX_H_
