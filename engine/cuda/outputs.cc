#include "engine/cuda/outputs.h"

#include <utility>

#include "engine/base/status_macros.h"

namespace strided::cuda {
namespace {

template <typename T>
absl::Status CopyToHost(PinnedBuffer<T>& to, const DeviceBuffer<T>& from, size_t count,
                        cudaStream_t stream) {
  return CudaError(
      cudaMemcpyAsync(to.data(), from.data(), count * sizeof(T), cudaMemcpyDeviceToHost, stream),
      "copying results");
}

}  // namespace

absl::StatusOr<std::unique_ptr<Outputs>> Outputs::Create(const Options& options,
                                                         const DeviceSequence* sequences,
                                                         cudaStream_t stream) {
  auto outputs = std::make_unique<Outputs>(Passkey(), options, sequences, stream);
  const auto rows = static_cast<size_t>(options.max_rows);
  const size_t results = rows * static_cast<size_t>(options.max_steps);
  const auto vocab = static_cast<size_t>(options.vocab_size);
  const auto scratch =
      static_cast<size_t>(SampleScratchBytes(options.max_rows, options.vocab_size));
  ASSIGN_OR_RETURN(outputs->rows_, DeviceBuffer<DecodeRow>::Create(rows));
  ASSIGN_OR_RETURN(outputs->logits_, DeviceBuffer<float>::Create(rows * vocab));
  ASSIGN_OR_RETURN(outputs->scratch_, DeviceBuffer<std::byte>::Create(scratch));
  ASSIGN_OR_RETURN(outputs->results_, DeviceBuffer<RowResult>::Create(results));
  ASSIGN_OR_RETURN(outputs->rows_host_, PinnedBuffer<DecodeRow>::Create(rows));
  ASSIGN_OR_RETURN(outputs->results_host_, PinnedBuffer<RowResult>::Create(results));
  return outputs;
}

absl::StatusOr<bool> Outputs::ReserveTop(int top_logprobs) {
  const auto wanted = static_cast<size_t>(top_logprobs);
  if (wanted <= top_stride_) return false;
  const size_t entries = results_.size() * wanted;
  ASSIGN_OR_RETURN(DeviceBuffer<int32_t> ids, DeviceBuffer<int32_t>::Create(entries));
  ASSIGN_OR_RETURN(DeviceBuffer<float> values, DeviceBuffer<float>::Create(entries));
  ASSIGN_OR_RETURN(PinnedBuffer<int32_t> ids_host, PinnedBuffer<int32_t>::Create(entries));
  ASSIGN_OR_RETURN(PinnedBuffer<float> values_host, PinnedBuffer<float>::Create(entries));
  top_ids_ = std::move(ids);
  top_values_ = std::move(values);
  top_ids_host_ = std::move(ids_host);
  top_values_host_ = std::move(values_host);
  top_stride_ = wanted;
  return true;
}

absl::Status Outputs::SendRows(std::span<const DecodeRow> rows, int count) {
  const auto all = static_cast<size_t>(count);
  for (size_t r = 0; r < all; ++r) {
    rows_host_.data()[r] = r < rows.size() ? rows[r] : DecodeRow{};
  }
  return CudaError(cudaMemcpyAsync(rows_.data(), rows_host_.data(), all * sizeof(DecodeRow),
                                   cudaMemcpyHostToDevice, stream_),
                   "copying rows");
}

SampleArguments Outputs::sample_arguments(int count) const {
  SampleArguments sample;
  sample.logits = logits_.data();
  sample.rows_state = rows_.data();
  sample.sequences = sequences_;
  sample.results = results_.data();
  sample.top_ids = top_ids_.data();
  sample.top_values = top_values_.data();
  sample.top_stride = static_cast<int>(top_stride_);
  sample.scratch = scratch_.data();
  sample.rows = count;
  sample.max_rows = options_.max_rows;
  sample.vocab_size = options_.vocab_size;
  return sample;
}

absl::Status Outputs::EnqueueSample(int count) {
  return LaunchSample(sample_arguments(count), /*dependent=*/true, stream_);
}

absl::Status Outputs::Fetch(int steps, absl::FunctionRef<void()> work) {
  const size_t entries = static_cast<size_t>(steps) * static_cast<size_t>(options_.max_rows);
  RETURN_IF_ERROR(CopyToHost(results_host_, results_, entries, stream_));
  if (top_stride_ > 0) {
    RETURN_IF_ERROR(CopyToHost(top_ids_host_, top_ids_, entries * top_stride_, stream_));
    RETURN_IF_ERROR(CopyToHost(top_values_host_, top_values_, entries * top_stride_, stream_));
  }
  work();
  return CudaError(cudaStreamSynchronize(stream_), "a step");
}

int64_t Outputs::bytes() const {
  return rows_.bytes() + logits_.bytes() + scratch_.bytes() + results_.bytes() + top_ids_.bytes() +
         top_values_.bytes();
}

}  // namespace strided::cuda
