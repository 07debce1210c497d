#include "client/cpp/windowed_generation.h"

#include "client/cpp/call_context.h"
#include "client/cpp/retry.h"

namespace strided::client {

absl::StatusOr<std::unique_ptr<WindowedGeneration>> WindowedGeneration::Start(
    const Client& client, const v1::Model& model, v1::GenerateRequest request,
    const WindowOptions& windows, const CallOptions& options) {
  const absl::StatusOr<WindowPlan> plan = PlanWindows(model, request, windows);
  if (!plan.ok()) return plan.status();
  auto generation = std::make_unique<WindowedGeneration>(
      client, WindowedRecord(std::move(request), model, *plan), options);
  generation->BeginWindow();
  return generation;
}

absl::StatusOr<std::optional<v1::GenerateResponse>> WindowedGeneration::Next() {
  while (outcome_.ok() && !ended_) {
    if (parts_.empty() && record_.complete()) {
      ended_ = true;
      return record_.ClosingSummary();
    }
    if (parts_.empty()) BeginWindow();
    absl::StatusOr<std::optional<v1::GenerateResponse>> event = ReadPart();
    if (!event.ok()) outcome_ = event.status();
    if (event.ok() && event->has_value()) return event;
  }
  if (!outcome_.ok()) return outcome_;
  return std::nullopt;
}

// While one part is waited for, the others go on: their messages gather on the way.
absl::StatusOr<std::optional<v1::GenerateResponse>> WindowedGeneration::ReadPart() {
  turn_ %= parts_.size();
  Part& part = parts_[turn_];
  absl::StatusOr<std::optional<v1::GenerateResponse>> event = part.stream->Next();
  if (!event.ok()) {
    const absl::Status status = Reopen(part, event.status());
    if (!status.ok()) return status;
    return std::nullopt;
  }
  if (!event->has_value()) {
    parts_.erase(parts_.begin() + static_cast<ptrdiff_t>(turn_));
    return std::nullopt;
  }
  part.started = true;
  ++turn_;
  return record_.Accept(**std::move(event));
}

absl::Status WindowedGeneration::Reopen(Part& part, const absl::Status& refusal) {
  // Of the first window nothing has been seen yet; a stream that had started has tried for itself.
  const bool again = part.request.has_resume() && !part.started && MaySucceedLater(refusal) &&
                     part.tries < options_.retry.tries;
  if (!again) return refusal;
  absl::Status waited = WaitBeforeTry(part.tries++, refusal, options_);
  if (waited.ok()) part.stream = client_.Generate(part.request, options_);
  return waited;
}

void WindowedGeneration::BeginWindow() {
  for (v1::GenerateRequest& request : record_.BeginWindow(absl::Now() - begin_)) {
    Part part;
    part.stream = client_.Generate(request, options_);
    part.request = std::move(request);
    parts_.push_back(std::move(part));
  }
}

}  // namespace strided::client
