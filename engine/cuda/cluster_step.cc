#include "engine/cuda/cluster_step.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/cuda/cluster/cluster_kernel.h"
#include "engine/cuda/cluster/cluster_packing.h"
#include "engine/cuda/kernels/sample.h"

namespace strided::cuda {
namespace {

using cluster::ClustersAtOnce;
using cluster::Deal;
using cluster::DealRows;
using cluster::ExchangeBytes;
using cluster::kBlocks;
using cluster::kColumns;
using cluster::LaunchClusterSteps;
using cluster::MostGroups;
using cluster::MostGroupsDealt;
using cluster::PackForCluster;
using cluster::Shape;
using cluster::StatusOfErrorWord;
using cluster::StepArguments;

constexpr float kLog2E = 1.44269504F;

StepArguments NetworkArguments(const ModelConfig& config, const DeviceNetwork& network) {
  StepArguments a;
  a.tables = network.tables;
  a.heads = network.head_rows;
  a.n_layer = config.n_layer;
  a.vocab_size = config.vocab_size;
  a.activation = config.activation;
  a.score_scale = kLog2E;
  if (config.attention_scale == AttentionScale::kInverseSqrt) {
    a.score_scale /= std::sqrt(static_cast<float>(config.d_key));
  }
  a.norm_epsilon = static_cast<float>(config.norm_epsilon);
  a.final_norm = config.final_norm_epsilon.has_value();
  a.final_epsilon = static_cast<float>(config.final_norm_epsilon.value_or(0));
  return a;
}

}  // namespace

int ClustersBesidePrompts(int rows, int at_once, int most_groups) {
  const Deal deal = DealRows(rows, at_once, most_groups);
  const int held = deal.groups * kColumns;  // rows of a cluster
  return std::min(at_once, (rows + held - 1) / held);
}

ClusterStep::ClusterStep(Passkey, const Shape& shape, const ModelConfig& config,
                         const DeviceNetwork& network, const DeviceSequence* sequences,
                         const Options& options, cudaStream_t stream)
    : shape_(shape),
      options_(options),
      stream_(stream),
      network_(NetworkArguments(config, network)) {
  network_.sequences = sequences;
}

absl::StatusOr<std::unique_ptr<ClusterStep>> ClusterStep::Create(
    const Shape& shape, const ModelConfig& config, const Weights& weights,
    const DeviceNetwork& network, const DeviceSequence* sequences, const Options& options,
    cudaStream_t stream) {
  auto step =
      std::make_unique<ClusterStep>(Passkey(), shape, config, network, sequences, options, stream);
  ASSIGN_OR_RETURN(step->at_once_, ClustersAtOnce(shape));
  if (step->at_once_ == 0) {
    return absl::UnimplementedError(
        absl::StrCat("the device runs no cluster of ", kBlocks, " blocks"));
  }
  const std::vector<std::byte> packed = PackForCluster(config, weights, network.format, shape);
  ASSIGN_OR_RETURN(step->weights_, DeviceBuffer<std::byte>::Create(packed.size()));
  RETURN_IF_ERROR(step->weights_.CopyFrom(packed, stream));
  step->network_.weights = step->weights_.data();
  const int64_t groups = MostGroupsDealt(options.max_rows, step->at_once_, MostGroups(shape));
  ASSIGN_OR_RETURN(step->exchange_, DeviceBuffer<std::byte>::Create(
                                        static_cast<size_t>(groups * ExchangeBytes(shape))));
  step->network_.exchange = step->exchange_.data();
  ASSIGN_OR_RETURN(step->error_, DeviceBuffer<int32_t>::Create(1));
  ASSIGN_OR_RETURN(step->error_host_, PinnedBuffer<int32_t>::Create(1));
  RETURN_IF_ERROR(step->error_.Fill(std::byte{0}, stream));
  step->network_.error = step->error_.data();
  ASSIGN_OR_RETURN(step->outputs_, Outputs::Create({.max_rows = options.max_rows,
                                                    .max_steps = options.max_steps,
                                                    .vocab_size = config.vocab_size},
                                                   sequences, stream));
  return step;
}

absl::Status ClusterStep::ReserveTop(int top_logprobs) {
  return outputs_->ReserveTop(top_logprobs).status();
}

absl::Status ClusterStep::Start(std::span<const DecodeRow> rows, bool beside_prompts) {
  const int count = static_cast<int>(rows.size());
  RETURN_IF_ERROR(outputs_->SendRows(rows, count));
  // Rows with fewer steps stand last: those that still have some are always the first.
  steps_ = 0;
  for (int left = count; left > 0;) {
    const int until = rows[static_cast<size_t>(left) - 1].steps_left;
    RETURN_IF_ERROR(LaunchSteps(left, until - steps_, beside_prompts));
    steps_ = until;
    while (left > 0 && rows[static_cast<size_t>(left) - 1].steps_left == steps_) --left;
  }
  return absl::OkStatus();
}

absl::Status ClusterStep::LaunchSteps(int rows, int steps, bool beside_prompts) {
  const SampleArguments sample = outputs_->sample_arguments(rows);
  StepArguments a = network_;
  a.steps = steps;
  a.max_rows = sample.max_rows;
  a.top_stride = sample.top_stride;
  a.rows = sample.rows_state;
  a.results = sample.results;
  a.top_ids = sample.top_ids;
  a.top_values = sample.top_values;
  a.count = rows;
  const int most_groups = MostGroups(shape_);
  const int at_once =
      beside_prompts ? ClustersBesidePrompts(rows, at_once_, most_groups) : at_once_;
  const Deal deal = DealRows(rows, at_once, most_groups);
  a.clusters = deal.clusters;
  a.groups = deal.groups;
  a.group_rows = deal.group_rows;
  return LaunchClusterSteps(shape_, a, stream_);
}

absl::Status ClusterStep::Finish(absl::FunctionRef<void()> work) {
  RETURN_IF_ERROR(CudaError(cudaMemcpyAsync(error_host_.data(), error_.data(), sizeof(int32_t),
                                            cudaMemcpyDeviceToHost, stream_),
                            "copying the error word"));
  RETURN_IF_ERROR(outputs_->Fetch(steps_, work));
  return StatusOfErrorWord(*error_host_.data());
}

}  // namespace strided::cuda
