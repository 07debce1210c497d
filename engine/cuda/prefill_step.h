// Prompt rows of a plan: through the network at once, and results for those that want one.

#ifndef STRIDED_ENGINE_CUDA_PREFILL_STEP_H_
#define STRIDED_ENGINE_CUDA_PREFILL_STEP_H_

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/cuda/device_network.h"
#include "engine/cuda/kernels/device_types.h"
#include "engine/cuda/outputs.h"
#include "engine/cuda/prefill.h"
#include "engine/cuda/staged_table.h"
#include "engine/model/config.h"

namespace strided::cuda {

// Not thread-safe. The network's memory and the sequences outlive it.
class PrefillStep {
  class Passkey {  // leaves construction to Create
    friend PrefillStep;
    Passkey() = default;
  };

 public:
  PrefillStep(Passkey, Prefill prefill, const DeviceSequence* sequences, cudaStream_t stream)
      : prefill_(std::move(prefill)), sequences_(sequences), stream_(stream) {}

  // Takes the memory for calls of up to options.max_rows rows on the current device; `sequences`,
  // by slot, is in device memory. ResourceExhausted where it does not suffice.
  static absl::StatusOr<std::unique_ptr<PrefillStep>> Create(const ModelConfig& config,
                                                             const DeviceNetwork& network,
                                                             const DeviceSequence* sequences,
                                                             const Prefill::Options& options,
                                                             cudaStream_t stream);

  // Makes room for `top_logprobs` alternatives per result. Errors as for Create.
  absl::Status ReserveTop(int top_logprobs) { return outputs_->ReserveTop(top_logprobs).status(); }

  // Sees the result of row `row` of a call as row `index` of step 0 of `outputs`; not to be kept.
  using ResultSink = absl::FunctionRef<void(size_t row, const Outputs& outputs, int index)>;

  // Runs the rows, of which those of one slot stand together at consecutive positions, and gives
  // the results of those whose output is not kNone to `sink`, piece by piece, so that memory does
  // not grow with their number. Waits for the device; `work` is called before each wait. Requires 1
  // to max_rows rows.
  absl::Status Run(std::span<const DecodeRow> rows, ResultSink sink,
                   absl::FunctionRef<void()> work);

  int64_t workspace_bytes() const {
    return prefill_.workspace_bytes() + outputs_->bytes() + states_.bytes();
  }

 private:
  // Rows to runs, and to the list of those that want a result.
  void Divide(std::span<const DecodeRow> rows);
  absl::Status RunPiece(std::span<const DecodeRow> rows, std::span<const int32_t> wanted,
                        ResultSink sink, absl::FunctionRef<void()> work);

  Prefill prefill_;
  const DeviceSequence* const sequences_;
  const cudaStream_t stream_;  // not owned
  std::unique_ptr<Outputs> outputs_;
  StagedTable<DecodeRow> states_;

  // Of the last call.
  std::vector<int32_t> inputs_;
  std::vector<PrefillRun> runs_;
  std::vector<int32_t> wanted_;
  std::vector<DecodeRow> piece_;
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_PREFILL_STEP_H_
