// A model's weights as the CPU reads them.

#ifndef STRIDED_ENGINE_CPU_NETWORK_H_
#define STRIDED_ENGINE_CPU_NETWORK_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/cpu/kernels/aligned_array.h"
#include "engine/cpu/kernels/bfloat16.h"
#include "engine/cpu/kernels/packed_matrix.h"
#include "engine/model/config.h"
#include "engine/model/weights.h"

namespace strided {

// A table of which a step reads single rows: float32, or bfloat16 rounded from it.
class RowTable {
 public:
  // Copies the tensor [rows][columns], of any type that Tensor::ReadRow reads.
  static RowTable Pack(const Tensor& tensor, bool as_bfloat16);
  // out[i] += row[i], for each of its columns. Requires a row of the table.
  void AddRow(int64_t row, float* out) const;

 private:
  size_t columns_ = 0;
  std::vector<float> float32_;  // one of the two is empty
  std::vector<Bfloat16> bfloat16_;
};

// Layer norm: (x - mean) / sqrt(variance + epsilon) * weight + bias.
struct NormWeights {
  AlignedArray<float> weight;  // [d_model]
  AlignedArray<float> bias;    // [d_model]; zeros by Norm::kScale
  float epsilon = 0;
};

// Section 5.2's residual block, pre-norm.
struct LayerWeights {
  NormWeights attn_norm;
  // Outputs [head][query, key, value, padding]: a head's share is a whole number of panels.
  PackedMatrix qkv;
  PackedMatrix out;
  NormWeights mlp_norm;
  PackedMatrix up;
  PackedMatrix down;
};

// Immutable once packed. The matrices point into `arena`.
struct Network {
  RowTable token_embedding;                  // [vocab][d_model]
  std::vector<RowTable> position_embedding;  // one per axis
  RowTable start;                            // [1][d_model]; empty with conditions, or without one
  std::vector<RowTable> conditions;          // [values][d_model] each
  std::vector<LayerWeights> layers;
  std::optional<NormWeights> final_norm;
  PackedMatrix head;  // logits
  WeightArena arena{0};
};

// The forms of a network's matrices.
struct NetworkForms {
  ProductForm most = ProductForm::kFloat32;  // all but the next; the tables' type follows it
  ProductForm down = ProductForm::kFloat32;  // of LayerWeights::down, which reads hidden values
};

// Outputs of a head's share of LayerWeights::qkv: 2 d_key + d_value, rounded up to whole panels.
int HeadWidth(const ModelConfig& config);

// Bytes of the packed matrices' weights, all in `form`, the head's among them: what one step reads.
int64_t MatrixBytes(const ModelConfig& config, ProductForm form);

// Tables are float32 where that is the form of most matrices, else bfloat16. ResourceExhausted
// where memory does not suffice, with the number of bytes.
absl::StatusOr<Network> PackNetwork(const ModelConfig& config, const Weights& weights,
                                    const NetworkForms& forms);

}  // namespace strided

#endif  // STRIDED_ENGINE_CPU_NETWORK_H_
