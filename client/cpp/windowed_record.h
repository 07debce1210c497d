// What has arrived of a generation that is longer than the context, over all its windows: enough to
// hand the caller one unbroken stream, and to ask for the window that comes next.

#ifndef STRIDED_CLIENT_CPP_WINDOWED_RECORD_H_
#define STRIDED_CLIENT_CPP_WINDOWED_RECORD_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/cpp/window_plan.h"
#include "strided/v1/models.pb.h"
#include "strided/v1/sampling.pb.h"

namespace strided::client {

// Pure bookkeeping: no I/O, no threads, no clock. Holds the last context of tokens of every sample.
// Messages are those of a GenerateStream, which has checked their grammar.
class WindowedRecord {
 public:
  // `request` as the caller made it; `plan` is PlanWindows of `model` and `request`.
  WindowedRecord(v1::GenerateRequest request, const v1::Model& model, const WindowPlan& plan);

  // Begins the next window and returns what to ask for: at first one request for all samples, later
  // one for each that goes on, as a resume of nothing, so that the sample keeps its index and other
  // weights are refused. `elapsed` since the first request is taken off the soft time limit.
  // Requires that every sample of the window before has come to its Finished, and !complete().
  std::vector<v1::GenerateRequest> BeginWindow(absl::Duration elapsed);

  // Takes in a message of the window's streams. Returns it as the caller is to see it: positions
  // and counts of the whole sequence; none where it speaks of the window alone (its Started, an end
  // that is not the sample's, its Summary). Internal where a window falls short without a reason.
  absl::StatusOr<std::optional<v1::GenerateResponse>> Accept(v1::GenerateResponse message);

  // Whether every sample has ended.
  bool complete() const;

  // The last message. Tokens are counted over all windows; times are the sums over the windows of
  // the longest in each. Requires complete().
  v1::GenerateResponse ClosingSummary();

 private:
  struct Sample {
    std::vector<uint32_t> tokens;  // the last of them, at least as many as a window keeps
    uint64_t generated = 0;
    double sum_log_prob = 0;
    bool ended = false;
  };

  v1::GenerateRequest FirstRequest() const;
  v1::GenerateRequest LaterRequest(uint32_t sample_index, absl::Duration elapsed) const;
  v1::Started AcceptStarted(v1::Started started);
  void AcceptDelta(v1::Delta& delta);
  absl::StatusOr<std::optional<v1::Finished>> AcceptFinished(v1::Finished finished);
  void AcceptSummary(const v1::Summary& summary);
  // New tokens that the current window makes of each sample.
  uint64_t WindowLength() const;
  v1::GenerateResponse Numbered(v1::GenerateResponse message);

  const v1::GenerateRequest request_;
  const WindowPlan plan_;
  const v1::AudioEncoding encoding_;    // of the model's codes; unspecified but for audio
  std::optional<v1::Started> started_;  // the first
  std::vector<Sample> samples_;
  std::optional<uint64_t> window_;  // 0, 1, ...
  uint64_t base_ = 0;               // where the window begins in the whole sequence
  uint64_t window_prompt_ = 0;      // tokens that the window begins with
  uint64_t generated_before_ = 0;   // by each sample that goes on, in earlier windows
  v1::Summary window_summary_;      // of the window's streams, the longest times
  v1::Summary summary_;             // of the windows before
  uint64_t next_message_index_ = 0;
};

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_WINDOWED_RECORD_H_
