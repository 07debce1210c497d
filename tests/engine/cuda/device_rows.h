// Sampling cases as the rows of the sampling kernels, on the default stream.

#ifndef STRIDED_TESTS_ENGINE_CUDA_DEVICE_ROWS_H_
#define STRIDED_TESTS_ENGINE_CUDA_DEVICE_ROWS_H_

#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "engine/cuda/device_buffer.h"
#include "engine/cuda/device_sampler.h"
#include "engine/cuda/kernels/history.h"
#include "engine/cuda/kernels/sample.h"
#include "tests/engine/cuda/device_array.h"
#include "tests/engine/cuda/sampling_cases.h"

namespace strided::cuda {

// Cases of one vocabulary as the rows of one launch; row r is the sequence in slot r.
class DeviceRows {
 public:
  DeviceRows(std::vector<SamplingCase> cases, int steps)
      : cases_(std::move(cases)), rows_(static_cast<int>(cases_.size())), steps_(steps) {
    std::vector<DeviceSequence> sequences;
    std::vector<float> logits;
    histories_ = ToDevice(std::vector<int32_t>(cases_.size() * vocab(), kUnseenToken));
    for (int r = 0; r < rows_; ++r) {
      const SamplingCase& c = cases_[static_cast<size_t>(r)];
      samplers_.push_back(*SequenceSampler::Create(c.spec, kDefaultStream));
      sequences.emplace_back().sampler = samplers_.back().device();
      sequences.back().sampler.history = histories_.data() + static_cast<size_t>(r) * vocab();
      logits.insert(logits.end(), c.logits.begin(), c.logits.end());
      top_stride_ = std::max(top_stride_, c.spec.top_logprobs);
      const int32_t last = c.observed.empty() ? kStartInput : c.observed.back();
      state_.push_back({.slot = r,
                        .position = c.position(),
                        .input = last,
                        .target = c.target,
                        .output = static_cast<int32_t>(c.output),
                        .steps_left = c.output == RowOutput::kSample ? steps : 1});
    }
    sequences_ = ToDevice(sequences);
    logits_ = ToDevice(logits);
    const auto entries = static_cast<size_t>(rows_) * static_cast<size_t>(steps);
    results_ = ToDevice(std::vector<RowResult>(entries));
    top_ids_ = ToDevice(std::vector<int32_t>(entries * static_cast<size_t>(top_stride_)));
    top_values_ = ToDevice(std::vector<float>(entries * static_cast<size_t>(top_stride_)));
    scratch_ = *DeviceBuffer<std::byte>::Create(
        static_cast<size_t>(SampleScratchBytes(rows_, vocab_size())));
  }

  int vocab_size() const { return cases_.front().vocab_size(); }
  std::vector<DecodeRow>& state() { return state_; }  // what Run starts from, then what it left
  const std::vector<SamplingCase>& cases() const { return cases_; }
  std::vector<int32_t> History(int row) const {  // [vocab_size]
    const std::vector<int32_t> all = FromDevice(histories_);
    const auto first = all.begin() + std::ptrdiff_t{row} * vocab_size();
    return {first, first + vocab_size()};
  }

  // All but the last token, as a prefill does: the rows of all sequences in one launch.
  void ObservePrompts() {
    std::vector<DecodeRow> rows;
    for (int r = 0; r < rows_; ++r) {
      const std::vector<int32_t>& tokens = cases_[static_cast<size_t>(r)].observed;
      for (size_t t = 0; t < tokens.size(); ++t) {
        if (t == 0) rows.push_back({.slot = r, .position = 0, .input = kStartInput});
        if (t + 1 == tokens.size()) continue;
        rows.push_back({.slot = r, .position = static_cast<int32_t>(t) + 1, .input = tokens[t]});
      }
    }
    const DeviceBuffer<DecodeRow> device = ToDevice(rows);
    EXPECT_TRUE(LaunchObserve(device.data(), static_cast<int>(rows.size()), sequences_.data(),
                              false, kDefaultStream)
                    .ok());
    EXPECT_EQ(cudaStreamSynchronize(kDefaultStream), cudaSuccess);
  }

  // Steps of observing the inputs and sampling, always from the same logits.
  void Run() {
    DeviceBuffer<DecodeRow> state = ToDevice(state_);
    const SampleArguments arguments = {.logits = logits_.data(),
                                       .rows_state = state.data(),
                                       .sequences = sequences_.data(),
                                       .results = results_.data(),
                                       .top_ids = top_ids_.data(),
                                       .top_values = top_values_.data(),
                                       .top_stride = top_stride_,
                                       .scratch = scratch_.data(),
                                       .rows = rows_,
                                       .max_rows = rows_,
                                       .vocab_size = vocab_size()};
    for (int step = 0; step < steps_; ++step) {
      const bool dependent = step > 0;
      ASSERT_TRUE(
          LaunchObserve(state.data(), rows_, sequences_.data(), dependent, kDefaultStream).ok());
      const absl::Status status = LaunchSample(arguments, true, kDefaultStream);
      ASSERT_TRUE(status.ok()) << status;
    }
    state_ = FromDevice(state);
    result_rows_ = FromDevice(results_);
    result_ids_ = FromDevice(top_ids_);
    result_values_ = FromDevice(top_values_);
  }

  SampledRow Result(int step, int row) const {
    const auto entry = static_cast<size_t>(step) * cases_.size() + static_cast<size_t>(row);
    const RowResult& result = result_rows_[entry];
    const size_t first = entry * static_cast<size_t>(top_stride_);
    const auto count = cases_[static_cast<size_t>(row)].output == RowOutput::kNone
                           ? 0
                           : cases_[static_cast<size_t>(row)].spec.top_logprobs;
    const auto at = static_cast<std::ptrdiff_t>(first);
    return {.token = result.token,
            .log_prob = result.log_prob,
            .finite = result.finite != 0,
            .top_ids = {result_ids_.begin() + at, result_ids_.begin() + at + count},
            .top_values = {result_values_.begin() + at, result_values_.begin() + at + count}};
  }

 private:
  size_t vocab() const { return static_cast<size_t>(vocab_size()); }

  std::vector<SamplingCase> cases_;
  int rows_;
  int steps_;
  int top_stride_ = 0;
  std::vector<SequenceSampler> samplers_;
  DeviceBuffer<int32_t> histories_;  // [rows][vocab_size]
  std::vector<DecodeRow> state_;
  DeviceBuffer<DeviceSequence> sequences_;
  DeviceBuffer<float> logits_;
  DeviceBuffer<RowResult> results_;
  DeviceBuffer<int32_t> top_ids_;
  DeviceBuffer<float> top_values_;
  DeviceBuffer<std::byte> scratch_;
  std::vector<RowResult> result_rows_;
  std::vector<int32_t> result_ids_;
  std::vector<float> result_values_;
};

}  // namespace strided::cuda

#endif  // STRIDED_TESTS_ENGINE_CUDA_DEVICE_ROWS_H_
