// Decode steps by the cluster kernel: cluster/cluster_kernel.h with its weights and results.

#ifndef STRIDED_ENGINE_CUDA_CLUSTER_STEP_H_
#define STRIDED_ENGINE_CUDA_CLUSTER_STEP_H_

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/cuda/cluster/cluster_choice.h"
#include "engine/cuda/cluster/cluster_sizes.h"
#include "engine/cuda/cluster/step_arguments.h"
#include "engine/cuda/decode_path.h"
#include "engine/cuda/device_buffer.h"
#include "engine/cuda/device_network.h"
#include "engine/cuda/outputs.h"
#include "engine/cuda/pinned_buffer.h"
#include "engine/model/config.h"
#include "engine/model/weights.h"

namespace strided::cuda {

// The fewest clusters that take `rows` rows without a longer step: of those that DealRows gives
// `at_once` clusters, as many as have rows when each takes as many as the fullest has room for.
// What they leave of the device prompts can have. Pure.
int ClustersBesidePrompts(int rows, int at_once, int most_groups);

// Not thread-safe. The network's tables and the sequences outlive it.
class ClusterStep final : public DecodePath {
  class Passkey {  // leaves construction to Create
    friend ClusterStep;
    Passkey() = default;
  };

 public:
  struct Options {
    int max_rows = 256;  // of a step
    int max_steps = 32;  // of a call
  };

  ClusterStep(Passkey, const cluster::Shape& shape, const ModelConfig& config,
              const DeviceNetwork& network, const DeviceSequence* sequences, const Options& options,
              cudaStream_t stream);

  // Packs the weights and takes memory for them and for results on the current device; `sequences`,
  // by slot, is in device memory. `shape` as ChooseShape says. Unimplemented where the device runs
  // no such cluster; ResourceExhausted where its memory does not suffice.
  static absl::StatusOr<std::unique_ptr<ClusterStep>> Create(
      const cluster::Shape& shape, const ModelConfig& config, const Weights& weights,
      const DeviceNetwork& network, const DeviceSequence* sequences, const Options& options,
      cudaStream_t stream);

  absl::Status ReserveTop(int top_logprobs) override;
  absl::Status Start(std::span<const DecodeRow> rows, bool beside_prompts) override;
  // Internal also where a block has waited in vain.
  absl::Status Finish(absl::FunctionRef<void()> work) override;
  const Outputs& outputs() const override { return *outputs_; }
  int64_t workspace_bytes() const override {
    return outputs_->bytes() + exchange_.bytes() + error_.bytes();
  }
  int64_t weight_bytes() const { return weights_.bytes(); }

 private:
  // `steps` steps of the first `rows` rows.
  absl::Status LaunchSteps(int rows, int steps, bool beside_prompts);

  const cluster::Shape shape_;
  const Options options_;
  const cudaStream_t stream_;       // not owned
  int at_once_ = 0;                 // clusters that the device runs
  int steps_ = 0;                   // of the rows that were started last
  cluster::StepArguments network_;  // what does not change from launch to launch
  std::unique_ptr<Outputs> outputs_;
  DeviceBuffer<std::byte> weights_;
  DeviceBuffer<std::byte> exchange_;  // [cluster][group]
  DeviceBuffer<int32_t> error_;       // one word
  PinnedBuffer<int32_t> error_host_;
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_CLUSTER_STEP_H_
