// Stream events -> strided.v1.ScoreResponse.

#ifndef STRIDED_SERVER_SERVICE_SCORE_ENCODER_H_
#define STRIDED_SERVER_SERVICE_SCORE_ENCODER_H_

#include <cstdint>

#include "server/service/stream_event.h"
#include "strided/v1/sampling.pb.h"

namespace strided {

// Adds up what passes: the summary becomes the last message, with the totals. Not thread-safe; one
// event at a time, in the stream's order. Requires a stream of tokens only.
class ScoreEncoder {
 public:
  // `given`: tokens of the sequence before the job's (SequenceStart).
  explicit ScoreEncoder(int given = 0) : given_(given) {}

  // The scores of a TokenBatch, or, for the JobSummary, the totals: the sum of the natural
  // log-probabilities, and bits per scored token.
  v1::ScoreResponse Encode(StreamEvent event);

 private:
  v1::ScoreResponse EncodeTotals() const;

  int given_;
  double total_log_prob_ = 0;  // natural, of the positions passed so far, in their order
  int64_t scored_ = 0;         // positions
  uint64_t next_position_ = 0;
};

}  // namespace strided

#endif  // STRIDED_SERVER_SERVICE_SCORE_ENCODER_H_
