// Where a job's tokens go. The scheduler declares it; the service implements it.

#ifndef STRIDED_SERVER_SCHEDULING_TOKEN_SINK_H_
#define STRIDED_SERVER_SCHEDULING_TOKEN_SINK_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/scheduling/job.h"

namespace strided {

struct PushedToken {
  uint32_t sample_index = 0;
  int position = 0;  // in the sequence, prompt included
  int32_t token = 0;
  float log_prob = 0;                // natural, of the model's own distribution
  std::span<const int32_t> top_ids;  // Job::top_logprobs entries; valid during the call
  std::span<const float> top_values;
};

// A kScore job has one sample, 0, which ends with kLength; its scored positions count as generated.
struct SampleEnd {
  uint32_t sample_index = 0;
  FinishReason reason = FinishReason::kLength;
  // For kStop by a sequence or an id; over text the bytes of either.
  std::vector<int32_t> matched_stop;
  std::string text_before_stop = {};  // StopReading's, where the stop itself is not pushed
  int generated_tokens = 0;  // drawn, resumed ones included; a stop not included is not counted
  double sum_log_prob = 0;   // over those
};

enum class JobPhase { kQueued, kPrefilling, kDecoding, kPreempted };

struct JobProgress {
  JobPhase phase = JobPhase::kQueued;
  int queue_position = 0;  // jobs ahead of this one
  int prefilled_tokens = 0;

  friend bool operator==(const JobProgress&, const JobProgress&) = default;
};

struct JobSummary {
  int64_t prompt_tokens = 0;
  int64_t generated_tokens = 0;
  absl::Duration queue_time;
  absl::Duration prefill_time;
  absl::Duration time_to_first_token;  // from Submit
  absl::Duration decode_time;
  int preemptions = 0;
};

// All calls come from the scheduler thread, between steps or beside one that a device runs by
// itself (Executor::RunBeside), and with no lock held; they must not block, because the next step
// waits for them. They may call the scheduler's thread-safe functions. `Finish` comes exactly once
// for every job that Submit took, and last. Of an OK job every sample has come to its FinishSample
// by then; of one that fails, those that had ended before. A sample's positions come in order,
// without gaps. After Finish the sink is not touched.
class TokenSink {
 public:
  virtual ~TokenSink() = default;

  // Tokens that it takes before its reader counts as behind. 0: the reader is, and the scheduler
  // leaves the job's sequences out of its steps until there is room again, at which the sink calls
  // Scheduler::Wake. One call of the executor may bring a few tokens more than there was room for:
  // one for each sample, a chunk of a prompt, or what a stop held back; and a second one as many,
  // since what one call brings is pushed when the next has begun.
  virtual int Room() const = 0;

  // When it changes, and at most every 500 ms; a job that waits less than that hears nothing.
  virtual void Progress(const JobProgress& progress) = 0;
  // At least one, of one sample or several: all that have come since the last call.
  virtual void Push(std::span<const PushedToken> tokens) = 0;
  virtual void FinishSample(const SampleEnd& end) = 0;
  virtual void Finish(absl::Status status, const JobSummary& summary) = 0;
};

}  // namespace strided

#endif  // STRIDED_SERVER_SCHEDULING_TOKEN_SINK_H_
