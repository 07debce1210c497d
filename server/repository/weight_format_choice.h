// In which format an executor keeps a model's matrices, where an operator leaves it to us.

#ifndef STRIDED_SERVER_REPOSITORY_WEIGHT_FORMAT_CHOICE_H_
#define STRIDED_SERVER_REPOSITORY_WEIGHT_FORMAT_CHOICE_H_

#include "absl/strings/string_view.h"
#include "engine/model/config.h"
#include "engine/model/weight_format.h"
#include "engine/model/weights.h"
#include "server/repository/device.h"

namespace strided {

// What a model's matrices are stored as.
struct StoredFormats {
  bool any_int8 = false;
  bool all_bfloat16 = true;
  bool all_float16 = true;
  bool all_narrow = true;  // bfloat16 or float16
};

StoredFormats FormatsOf(const ModelConfig& config, const Weights& weights);

// On a processor. Any int8 matrix: int8. All bfloat16: bfloat16. All bfloat16 or float16: bfloat16
// where `bfloat16_dot` (the processor multiplies bfloat16), else float32, which loses nothing of a
// float16. Otherwise float32.
WeightFormat FormatOnCpu(const StoredFormats& stored, bool bfloat16_dot);

// On a GPU. Any int8 matrix: int8. All float16: float16. Otherwise bfloat16, float32 too: a step's
// time there is the time to read the weights, and tensor cores multiply 16 bits.
WeightFormat FormatOnCuda(const StoredFormats& stored);

// The format that `requested` names; for "auto" what suits the device.
WeightFormat ChooseWeightFormat(absl::string_view requested, const StoredFormats& stored,
                                DeviceKind device, bool bfloat16_dot);

}  // namespace strided

#endif  // STRIDED_SERVER_REPOSITORY_WEIGHT_FORMAT_CHOICE_H_
