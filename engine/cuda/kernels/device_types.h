// What host and kernels both know: sequences, rows and weights as they lie in device memory.
//
// Plain data without CUDA types, so that the host side is compiled by any compiler. Pointers are
// into device memory unless said.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_DEVICE_TYPES_H_
#define STRIDED_ENGINE_CUDA_KERNELS_DEVICE_TYPES_H_

#include <cstddef>
#include <cstdint>

#include "engine/cuda/kernels/head_rows.h"
#include "engine/model/config.h"
#include "engine/model/weight_format.h"

namespace strided::cuda {

// The type of activations that enter a product, and of keys and values in the caches. bfloat16
// beside bfloat16, int8 and float8 weights; otherwise as the weights.
enum class Operand { kFloat32, kFloat16, kBfloat16 };

Operand OperandOf(WeightFormat format);
int OperandBytes(Operand operand);

// A matrix [outputs, inputs], packed as weight_packing.h says, and what is added after it.
struct DeviceMatrix {
  const std::byte* weights = nullptr;
  const float* scales = nullptr;  // [outputs] int8 and float8: the row's scale; null: 1
  const float* bias = nullptr;    // [outputs]; null: 0
  int outputs = 0;
  int inputs = 0;
};

struct DeviceNorm {
  const float* weight = nullptr;  // [d_model]; null: the model has no such norm
  const float* bias = nullptr;    // [d_model]
  float epsilon = 0;
  float mean_share = 1;  // of the mean that is subtracted: 0 by Norm::kScale, else 1
};

// Section 5.2's residual block, pre-norm.
struct DeviceLayer {
  DeviceNorm attn_norm;
  DeviceMatrix qkv;  // outputs [head][query d_key | key d_key | value d_value]
  DeviceMatrix out;
  DeviceNorm mlp_norm;
  DeviceMatrix up;
  DeviceMatrix down;
};

// Float32 tables of which a step reads single rows.
struct DeviceTables {
  const float* token_embedding = nullptr;   // [vocab][d_model]
  const float* position_embedding[8] = {};  // [axis size][d_model]
  int position_axes[8] = {};                // axis sizes, C order
  int axes = 0;
  PositionRule position_rule = PositionRule::kPrevious;
};

// How a token is drawn: SequenceSpec's sampling, seed and sample index, with the lists in device
// memory. Values as in SamplingParameters.
struct DeviceSampler {
  uint64_t seed = 0;
  uint32_t sample_index = 0;
  float inverse_temperature = 1;  // 0: greedy
  double top_p = 1;
  double min_p = 0;
  double typical_p = 1;
  double repetition_penalty = 1;
  double presence_penalty = 0;
  double frequency_penalty = 0;
  int top_k = 0;
  int prompt_length = 0;
  int top_logprobs = 0;
  int bias_count = 0;
  int allowed_count = 0;                 // 0: every id
  const int32_t* bias_ids = nullptr;     // [bias_count]
  const float* bias_values = nullptr;    // [bias_count]
  const int32_t* allowed_ids = nullptr;  // [allowed_count], ascending
  int penalises = 0;                     // 1: some penalty is on; requires a history
  // [vocab] occurrences: kUnseenToken, else the number after the prompt. Kept without penalties
  // too, for forks that have some. Null: nothing is observed.
  int32_t* history = nullptr;
};
inline constexpr int32_t kUnseenToken = -1;

// A sequence, by slot.
struct DeviceSequence {
  std::byte* cache = nullptr;  // its block of the arena
  // [n_layer][n_head] bytes from `cache` to a head's keys [rows][d_key]; its values [rows][d_value]
  // follow them. Rows as HeadRows and engine/cache/cache_layout.h say for N = max_length.
  const int64_t* head_offsets = nullptr;
  const float* start = nullptr;  // [d_model] the input of step 0
  int max_length = 0;            // N
  DeviceSampler sampler;
};

// Values of DecodeRow::output: those of engine/step.h's RowOutput, which kernels do not know.
inline constexpr int32_t kWantsNothing = 0;
inline constexpr int32_t kWantsSample = 1;
inline constexpr int32_t kWantsScore = 2;

// One row of a decode step. The kernels of a step read it; the last of them moves it on.
struct DecodeRow {
  int32_t slot = -1;       // -1: idle; nothing is read or written for it
  int32_t position = 0;    // t
  int32_t input = -1;      // x(t-1); kStartInput at t = 0
  int32_t target = 0;      // kWantsScore: the token whose log-probability is wanted
  int32_t output = 0;      // kWantsNothing, ...
  int32_t steps_left = 1;  // this one included
  int32_t step = 0;        // steps done in this launch
};

// What a row's step gives.
struct RowResult {
  int32_t token = -1;
  float log_prob = 0;
  int32_t finite = 1;
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_DEVICE_TYPES_H_
