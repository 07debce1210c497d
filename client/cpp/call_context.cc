#include "client/cpp/call_context.h"

#include "absl/strings/str_cat.h"

namespace strided::client {

CallContext::CallContext(const std::string& token, const CallOptions& options)
    : registration_(options.cancellation, &context_) {
  if (!token.empty()) context_.AddMetadata("authorization", "Bearer " + token);
  if (options.deadline != absl::InfiniteFuture()) {
    context_.set_deadline(absl::ToChronoTime(options.deadline));
  }
}

absl::Status WaitBeforeTry(int number, const absl::Status& failure, const CallOptions& options) {
  const absl::Duration wait = WaitBefore(number, failure, options.retry);
  if (absl::Now() + wait >= options.deadline) {
    return absl::DeadlineExceededError(
        absl::StrCat("the deadline comes before the next try; the last one ended with: ",
                     std::string(failure.message())));
  }
  const Cancellation none;
  const Cancellation& cancellation = options.cancellation == nullptr ? none : *options.cancellation;
  if (cancellation.WaitFor(wait)) return absl::CancelledError("cancelled");
  return absl::OkStatus();
}

}  // namespace strided::client
