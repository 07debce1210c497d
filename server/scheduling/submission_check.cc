#include "server/scheduling/submission_check.h"

#include <cstddef>

#include "absl/strings/str_cat.h"
#include "engine/base/error_detail.h"
#include "server/scheduling/sequence_state.h"

namespace strided {

absl::Status CheckSubmission(const Job& job, const Executor& executor) {
  const int64_t length =
      static_cast<int64_t>(job.prompt.size()) +
      (job.kind == JobKind::kGenerate ? int64_t{job.stop.max_new_tokens} : int64_t{0});
  const int64_t limit = executor.config().context_length;
  if (job.samples < 1 || length < 1 ||
      (job.kind == JobKind::kGenerate && job.stop.max_new_tokens < 1)) {
    return absl::InvalidArgumentError(absl::StrCat("a job of ", job.samples, " samples with ",
                                                   length, " tokens has nothing to do"));
  }
  if (length > limit) {
    return WithReason(
        absl::InvalidArgumentError(
            absl::StrCat("a sequence of ", length, " tokens; the model takes at most ", limit)),
        {.reason = "CONTEXT_LENGTH_EXCEEDED",
         .metadata = {{"limit", absl::StrCat(limit)}, {"given", absl::StrCat(length)}}});
  }
  if (job.resumed.size() > static_cast<size_t>(length) - job.prompt.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("resumes ", job.resumed.size(), " tokens of a sequence of ", length));
  }
  const int64_t bytes = executor.CacheBytes(static_cast<int>(length));
  const int64_t capacity = executor.cache_usage().capacity_bytes;
  if (bytes > capacity) {
    return absl::InvalidArgumentError(absl::StrCat("a sequence of ", length, " tokens needs ",
                                                   bytes, " bytes of cache; the device has ",
                                                   capacity));
  }
  return absl::OkStatus();
}

}  // namespace strided
