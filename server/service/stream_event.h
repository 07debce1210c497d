// What a stream can say, in the order in which it says it: before any wire format.

#ifndef STRIDED_SERVER_SERVICE_STREAM_EVENT_H_
#define STRIDED_SERVER_SERVICE_STREAM_EVENT_H_

#include <cstdint>
#include <variant>
#include <vector>

#include "server/scheduling/token_sink.h"

namespace strided {

// The request was admitted.
struct Opening {};

// Consecutive tokens of one sample; at least one.
struct TokenBatch {
  uint32_t sample_index = 0;
  int first_position = 0;  // in the sequence, prompt included
  std::vector<int32_t> tokens;
  std::vector<float> log_probs;   // one per token; empty where none are wanted
  std::vector<int32_t> top_ids;   // top_count per token, most likely first
  std::vector<float> top_values;  // beside top_ids
};

// What a stream tells its client, one message each, in this order: Opening; progress and batches as
// they come; one SampleEnd a sample; JobSummary last, of a job that ended well.
using StreamEvent = std::variant<Opening, JobProgress, TokenBatch, SampleEnd, JobSummary>;

}  // namespace strided

#endif  // STRIDED_SERVER_SERVICE_STREAM_EVENT_H_
