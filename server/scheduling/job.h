// A request as the scheduler knows it: parsed, checked, resolved.

#ifndef STRIDED_SERVER_SCHEDULING_JOB_H_
#define STRIDED_SERVER_SCHEDULING_JOB_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "engine/sampling/parameters.h"
#include "engine/step.h"

namespace strided {

// Names a job of one scheduler, where later ones are larger, or of a group of schedulers.
using JobId = uint64_t;

// Whether tokens are drawn, or those of a sequence that is given are looked up.
enum class JobKind { kGenerate, kScore };

// Why a sample of a job that ended well has ended; FinishReason of sampling.proto, value by value.
enum class FinishReason {
  kLength,         // max_new_tokens were drawn
  kEndOfSequence,  // the image is complete
  kStop,           // a stop sequence or id was drawn
  kContextFull,    // context_length left no room for max_new_tokens
  kTimeLimit,      // Job::time_limit passed
};

// When a sample ends, beside the end of its length.
struct StopConditions {
  int max_new_tokens = 0;  // resolved; at least 1; prompt + this <= context_length
  // Whether max_new_tokens was cut to the end of the image or of the context, and so which reason
  // (kLength, kEndOfSequence for a complete image, kContextFull) a full length reports.
  FinishReason full_length_reason = FinishReason::kLength;
  int min_new_tokens = 0;  // no stop before so many
  // Of tokens or, with `text_of`, of the bytes that tokens stand for; each at least 1 long.
  std::vector<std::vector<int32_t>> sequences;
  std::vector<int32_t> ids;  // ascending
  // The one of `ids` that is the model's own end, and ends with kEndOfSequence.
  std::optional<int32_t> end_id = std::nullopt;
  bool include_stop = false;  // push the matched tokens too
  // The bytes of a token. Not owned; what it reads outlives the job.
  std::function<absl::string_view(int32_t token)> text_of = {};
};

// A request as a scheduler takes it, resolved against the model and checked by its parser: no
// field is checked again. Copied freely; holds nothing of gRPC.
struct Job {
  JobKind kind = JobKind::kGenerate;
  std::string request_id;
  std::string tenant;  // empty: anonymous
  int priority = 0;    // higher first
  // What step 0 reads: of a model without a start vector the token that the sequence begins with,
  // which then is no part of the prompt.
  int32_t first_input = kStartInput;
  // For kScore: the whole sequence, each position of which from score_from on is pushed.
  std::vector<int32_t> prompt;
  std::vector<int> condition_values;  // one per ModelConfig::conditions
  SamplingParameters sampling;
  StopConditions stop;
  uint64_t seed = 0;
  int samples = 1;
  uint32_t first_sample_index = 0;  // other than 0 only with `resumed`
  // Tokens that the client already has, of the one sample that is resumed: forced, not pushed.
  std::vector<int32_t> resumed;
  int score_from = 0;               // kScore: first position that is pushed
  std::optional<int> top_logprobs;  // unset: no log-probabilities wanted
  bool echo_prompt = false;  // push the prompt too, to every sample, with log-probs if wanted
  absl::Time time_limit = absl::InfiniteFuture();  // soft: ends OK with kTimeLimit
};

}  // namespace strided

#endif  // STRIDED_SERVER_SCHEDULING_JOB_H_
