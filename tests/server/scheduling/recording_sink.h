// A sink that keeps all that it is told, and holds the scheduler to the order of its calls.

#ifndef STRIDED_TESTS_SERVER_SCHEDULING_RECORDING_SINK_H_
#define STRIDED_TESTS_SERVER_SCHEDULING_RECORDING_SINK_H_

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "server/scheduling/token_sink.h"

namespace strided {

struct RecordedSample {
  std::vector<int32_t> tokens;
  std::vector<int> positions;
  std::vector<float> log_probs;
  std::vector<std::vector<int32_t>> top_ids;
  std::vector<std::vector<float>> top_values;
  std::optional<SampleEnd> end;
};

// Of the scheduler's thread, but for `room` and `finishes`.
class RecordingSink final : public TokenSink {
 public:
  std::atomic<bool> room = true;  // a test closes and opens it from any thread
  int room_tokens = 1000;         // while there is room
  std::atomic<int> finishes = 0;  // the last to change: what else was recorded is then visible
  std::function<void()> on_push = [] {};
  std::function<void()> on_finish = [] {};

  std::map<uint32_t, RecordedSample> samples;
  std::vector<JobProgress> progress;
  absl::Status status = absl::UnknownError("not finished");
  JobSummary summary;

  int Room() const override { return room ? room_tokens : 0; }
  void Progress(const JobProgress& told) override {
    EXPECT_EQ(finishes, 0) << "progress after Finish";
    progress.push_back(told);
  }
  void Push(std::span<const PushedToken> tokens) override {
    EXPECT_FALSE(tokens.empty());
    for (const PushedToken& token : tokens) Push(token);
  }
  void Push(const PushedToken& token) {
    EXPECT_EQ(finishes, 0) << "a token after Finish";
    RecordedSample& sample = samples[token.sample_index];
    EXPECT_FALSE(sample.end.has_value()) << "a token after the sample's end";
    if (!sample.positions.empty()) {
      EXPECT_EQ(token.position, sample.positions.back() + 1);
    }
    sample.tokens.push_back(token.token);
    sample.positions.push_back(token.position);
    sample.log_probs.push_back(token.log_prob);
    sample.top_ids.emplace_back(token.top_ids.begin(), token.top_ids.end());
    sample.top_values.emplace_back(token.top_values.begin(), token.top_values.end());
    on_push();
  }
  void FinishSample(const SampleEnd& end) override {
    EXPECT_EQ(finishes, 0) << "a sample's end after Finish";
    RecordedSample& sample = samples[end.sample_index];
    EXPECT_FALSE(sample.end.has_value()) << "a second end of sample " << end.sample_index;
    sample.end = end;
  }
  void Finish(absl::Status with, const JobSummary& its_summary) override {
    status = std::move(with);
    summary = its_summary;
    on_finish();
    EXPECT_EQ(++finishes, 1) << "a second Finish";
  }

  const std::vector<int32_t>& tokens() { return samples[0].tokens; }
};

}  // namespace strided

#endif  // STRIDED_TESTS_SERVER_SCHEDULING_RECORDING_SINK_H_
