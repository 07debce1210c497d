#include "engine/cuda/prefill_step.h"

#include <algorithm>

#include "engine/base/status_macros.h"
#include "engine/cuda/kernels/history.h"
#include "engine/step.h"

namespace strided::cuda {
namespace {

// Rows whose logits are in memory at once.
constexpr int kPieceRows = 256;

}  // namespace

absl::StatusOr<std::unique_ptr<PrefillStep>> PrefillStep::Create(const ModelConfig& config,
                                                                 const DeviceNetwork& network,
                                                                 const DeviceSequence* sequences,
                                                                 const Prefill::Options& options,
                                                                 cudaStream_t stream) {
  ASSIGN_OR_RETURN(Prefill prefill, Prefill::Create(config, network, options, stream));
  auto step = std::make_unique<PrefillStep>(Passkey(), std::move(prefill), sequences, stream);
  const Outputs::Options outputs = {.max_rows = std::min(options.max_rows, kPieceRows),
                                    .max_steps = 1,
                                    .vocab_size = config.vocab_size};
  ASSIGN_OR_RETURN(step->outputs_, Outputs::Create(outputs, sequences, stream));
  ASSIGN_OR_RETURN(step->states_,
                   StagedTable<DecodeRow>::Create(static_cast<size_t>(options.max_rows)));
  return step;
}

absl::Status PrefillStep::Run(std::span<const DecodeRow> rows, ResultSink sink,
                              absl::FunctionRef<void()> work) {
  Divide(rows);
  RETURN_IF_ERROR(prefill_.Run(runs_, sequences_, stream_));
  RETURN_IF_ERROR(states_.Send(rows, stream_));
  RETURN_IF_ERROR(LaunchObserve(states_.data(), static_cast<int>(rows.size()), sequences_,
                                /*dependent=*/false, stream_));
  for (size_t first = 0; first < wanted_.size(); first += kPieceRows) {
    const size_t count = std::min<size_t>(kPieceRows, wanted_.size() - first);
    RETURN_IF_ERROR(RunPiece(rows, std::span(wanted_).subspan(first, count), sink, work));
  }
  work();
  return CudaError(cudaStreamSynchronize(stream_), "a prefill");
}

void PrefillStep::Divide(std::span<const DecodeRow> rows) {
  inputs_.clear();
  runs_.clear();
  wanted_.clear();
  for (const DecodeRow& row : rows) inputs_.push_back(row.input);
  for (size_t r = 0; r < rows.size(); ++r) {
    if (r == 0 || rows[r - 1].slot != rows[r].slot) {
      runs_.push_back({.slot = rows[r].slot,
                       .first_position = rows[r].position,
                       .inputs = std::span(inputs_).subspan(r, 0)});
    }
    PrefillRun& run = runs_.back();
    run.inputs = {run.inputs.data(), run.inputs.size() + 1};
    if (rows[r].output != static_cast<int32_t>(RowOutput::kNone)) {
      wanted_.push_back(static_cast<int32_t>(r));
    }
  }
}

absl::Status PrefillStep::RunPiece(std::span<const DecodeRow> rows, std::span<const int32_t> wanted,
                                   ResultSink sink, absl::FunctionRef<void()> work) {
  piece_.clear();
  for (const int32_t row : wanted) piece_.push_back(rows[static_cast<size_t>(row)]);
  const int count = static_cast<int>(piece_.size());
  RETURN_IF_ERROR(outputs_->SendRows(piece_, count));
  RETURN_IF_ERROR(prefill_.Logits(wanted, outputs_->logits(), stream_));
  RETURN_IF_ERROR(outputs_->EnqueueSample(count));
  RETURN_IF_ERROR(outputs_->Fetch(/*steps=*/1, work));
  for (int i = 0; i < count; ++i) {
    sink(static_cast<size_t>(wanted[static_cast<size_t>(i)]), *outputs_, i);
  }
  return absl::OkStatus();
}

}  // namespace strided::cuda
