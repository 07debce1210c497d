// What has arrived of one generation, over all the streams that carried it: enough to hand the
// caller one unbroken stream, and to ask for exactly the rest after a break.

#ifndef STRIDED_CLIENT_CPP_GENERATION_RECORD_H_
#define STRIDED_CLIENT_CPP_GENERATION_RECORD_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "strided/v1/sampling.pb.h"

namespace strided::client {

// Pure bookkeeping: no I/O, no threads, no clock. Holds every generated token of every sample. The
// server is not trusted: nothing that it sends can do more harm than an error.
class GenerationRecord {
 public:
  // `request` as the caller made it, which may be a resume itself.
  explicit GenerationRecord(v1::GenerateRequest request) : request_(std::move(request)) {}

  // Takes in a message of any of the streams. Returns it as the caller is to see it (tokens that
  // were seen before cut off, message_index counted anew); none where it holds nothing new: the
  // Started and the Summary of a resumed stream.
  // DataLoss where positions have a gap; FailedPrecondition where a resumed stream comes from other
  // weights; Internal where the message breaks the grammar of the stream.
  absl::StatusOr<std::optional<v1::GenerateResponse>> Accept(v1::GenerateResponse message);

  // Whether there is something to go on with: Started, which has the seed and the fingerprint.
  bool started() const { return started_.has_value(); }

  // Whether every sample has finished; then only the summary may still be missing.
  bool complete() const;
  // Whether the caller has been given a summary: then the generation is over.
  bool summarized() const { return summarized_; }

  // Tokens handed to the caller so far, of all samples, echoed prompts included.
  uint64_t delivered_tokens() const { return delivered_tokens_; }

  // One request for each unfinished sample. `elapsed` since the first request is taken off its
  // soft time limit. Requires started().
  std::vector<v1::GenerateRequest> Resumes(absl::Duration elapsed) const;

  // The summary of a generation that was resumed: its tokens are exact; its times are the longest
  // of the resumed streams, since what a broken stream spent was never told. Requires complete().
  v1::GenerateResponse ClosingSummary();

 private:
  struct Sample {
    uint64_t next_position = 0;  // of the token that comes next
    v1::Sequence generated;      // so far, in the encoding of the stream
    std::optional<v1::Finished> finished;
  };

  absl::Status AcceptStarted(const v1::Started& started);
  // What is new in `delta`; none where all of it was seen before.
  absl::StatusOr<std::optional<v1::Delta>> AcceptDelta(v1::Delta delta);
  absl::Status AcceptFinished(const v1::Finished& finished);

  absl::StatusOr<Sample*> FindUnfinished(uint32_t sample_index);
  v1::GenerateResponse Numbered(v1::GenerateResponse message);

  const v1::GenerateRequest request_;
  std::optional<v1::Started> started_;  // the first one
  std::map<uint32_t, Sample> samples_;  // by index; all that this generation makes
  v1::Summary resumed_summary_;         // merged of the resumed streams
  bool resumed_ = false;
  bool summarized_ = false;
  uint64_t delivered_tokens_ = 0;
  uint64_t next_message_index_ = 0;
};

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_GENERATION_RECORD_H_
