#include "server/service/token_stream.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/error_detail.h"

namespace strided {
namespace {

absl::Status SlowReaderError(absl::Duration limit) {
  const std::string text = absl::FormatDuration(limit);
  return WithReason(absl::AbortedError(absl::StrCat("the reader took nothing for ", text)),
                    {.reason = "SLOW_READER", .metadata = {{"limit", text}}});
}

}  // namespace

TokenStream::TokenStream(const StreamOptions& options, const Clock* clock, ModelMetrics* metrics,
                         StreamCall* call)
    : options_(options), clock_(clock), metrics_(metrics), call_(call), mailbox_(options.mailbox) {}

void TokenStream::Open() {
  {
    absl::MutexLock lock(&mu_);
    opening_ = !options_.tokens_only;
  }
  Pump();
}

int TokenStream::Room() const {
  absl::MutexLock lock(&mu_);
  if (broken_) return options_.mailbox.capacity_tokens;  // what comes is dropped
  return full_ ? 0 : options_.mailbox.capacity_tokens - mailbox_.tokens();
}

void TokenStream::Progress(const JobProgress& progress) {
  if (options_.tokens_only) return;
  bool hand_over = false;
  {
    absl::MutexLock lock(&mu_);
    progress_ = progress;
    hand_over = HandOver();
  }
  if (hand_over) call_->PumpSoon();
}

void TokenStream::Push(std::span<const PushedToken> tokens) {
  bool hand_over = false;
  {
    absl::MutexLock lock(&mu_);
    if (broken_) return;
    const int before = mailbox_.tokens();
    for (const PushedToken& token : tokens) mailbox_.Push(token);
    CountMail(before);
    full_ = full_ || mailbox_.full();
    progress_.reset();  // something flows
    // Else the timer, or whoever ends the write in flight, will look at it.
    if (NextWake() < armed_) hand_over = HandOver();
  }
  if (hand_over) call_->PumpSoon();
}

void TokenStream::FinishSample(const SampleEnd& end) {
  if (options_.tokens_only) return;
  bool hand_over = false;
  {
    absl::MutexLock lock(&mu_);
    if (broken_) return;
    mailbox_.End(end);
    hand_over = HandOver();
  }
  if (hand_over) call_->PumpSoon();
}

void TokenStream::Finish(absl::Status status, const JobSummary& summary) {
  bool hand_over = false;
  {
    absl::MutexLock lock(&mu_);
    if (!status.ok()) DropMail();
    mailbox_.Close();
    end_ = std::move(status);
    summary_ = summary;
    hand_over = HandOver();
  }
  if (hand_over) call_->PumpSoon();
}

void TokenStream::Abandon(const absl::Status& error) {
  {
    absl::MutexLock lock(&mu_);
    broken_ = true;  // so that Push takes nothing more
    DropMail();
    end_ = error;
  }
  Pump();
}

void TokenStream::OnWriteDone(bool ok) {
  {
    absl::MutexLock lock(&mu_);
    writing_ = false;
    if (!ok) {
      broken_ = true;
      DropMail();
    }
  }
  Pump();
}

void TokenStream::OnTimer() {
  const absl::Time now = clock_->Now();
  {
    absl::MutexLock lock(&mu_);
    if (armed_ <= now) armed_ = absl::InfiniteFuture();
  }
  Pump();
}

JobSummary TokenStream::summary() const {
  absl::MutexLock lock(&mu_);
  return summary_;
}

void TokenStream::OnTurn() { PerformAll(FollowingAction()); }

// Counts as performing until OnTurn has come: so nobody ends the call before PumpSoon has returned.
bool TokenStream::HandOver() { return !std::exchange(performing_, true); }

void TokenStream::Pump() { PerformAll(FirstAction()); }

// The stream may be gone as soon as a thread other than this one may perform: so letting go and
// looking for more are one step under the lock, and nothing is touched after it finds nothing.
void TokenStream::PerformAll(std::optional<Action> action) {
  while (action.has_value()) {
    const bool last = std::holds_alternative<FinishCall>(*action);
    Perform(*std::move(action));
    if (last) return;
    action = FollowingAction();
  }
}

std::optional<TokenStream::Action> TokenStream::FirstAction() {
  absl::MutexLock lock(&mu_);
  if (performing_) return std::nullopt;  // that thread looks again before it lets go
  std::optional<Action> action = ChooseAction(clock_->Now());
  performing_ = action.has_value();
  return action;
}

std::optional<TokenStream::Action> TokenStream::FollowingAction() {
  absl::MutexLock lock(&mu_);
  std::optional<Action> action = ChooseAction(clock_->Now());
  performing_ = action.has_value();
  return action;
}

void TokenStream::Perform(Action action) {
  if (auto* event = std::get_if<StreamEvent>(&action)) {
    call_->Write(std::move(*event));
  } else if (auto* finish = std::get_if<FinishCall>(&action)) {
    call_->Finish(finish->status);
  } else if (auto* broken = std::get_if<BreakOff>(&action)) {
    call_->BreakOff(broken->status);
  } else if (auto* wake = std::get_if<WakeAt>(&action)) {
    call_->WakeAt(wake->when);
  } else {
    call_->ResumeJob();
  }
}

std::optional<TokenStream::Action> TokenStream::ChooseAction(absl::Time now) {
  if (!writing_ && !broken_) {
    if (std::optional<StreamEvent> event = NextEvent(now)) {
      writing_ = true;
      last_write_ = now;
      return Action(*std::move(event));
    }
  }
  if (!writing_ && end_.has_value()) return Action(FinishCall{*end_});
  if (full_ && mailbox_.tokens() <= options_.mailbox.capacity_tokens / 2) {
    full_ = false;
    return Action(ResumeJob{});
  }
  if (std::optional<Action> action = CheckStall(now)) return action;
  const absl::Time wake = NextWake();
  if (wake >= armed_) return std::nullopt;
  armed_ = wake;
  return Action(WakeAt{wake});
}

std::optional<StreamEvent> TokenStream::NextEvent(absl::Time now) {
  if (end_.has_value() && !end_->ok()) return std::nullopt;
  if (std::exchange(opening_, false)) return Opening{};
  const int before = mailbox_.tokens();
  std::optional<StreamEvent> mail = mailbox_.Take(now);
  if (mail.has_value()) {
    CountMail(before);
    return mail;
  }
  if (end_.has_value()) {
    if (std::exchange(summary_sent_, true)) return std::nullopt;
    return summary_;
  }
  if (progress_.has_value() && now >= last_write_ + options_.progress_interval) {
    return *std::exchange(progress_, std::nullopt);
  }
  return std::nullopt;
}

// When a write in flight keeps a job that is over from ending its call.
absl::Time TokenStream::StallTime() const {
  if (!writing_ || broken_ || !end_.has_value()) return absl::InfiniteFuture();
  if (absl::IsAborted(*end_)) return absl::InfinitePast();  // the scheduler has waited already
  return last_write_ + options_.stall_limit;
}

std::optional<TokenStream::Action> TokenStream::CheckStall(absl::Time now) {
  if (now < StallTime()) return std::nullopt;
  if (!absl::IsAborted(*end_)) end_ = SlowReaderError(options_.stall_limit);
  broken_ = true;
  DropMail();
  return Action(BreakOff{*end_});
}

absl::Time TokenStream::NextWake() const {
  if (writing_ || broken_) return StallTime();
  const absl::Time progress_due =
      progress_.has_value() ? last_write_ + options_.progress_interval : absl::InfiniteFuture();
  return std::min(mailbox_.NextDue(), progress_due);
}

void TokenStream::DropMail() {
  const int before = mailbox_.tokens();
  mailbox_.Clear();
  CountMail(before);
}

void TokenStream::CountMail(int tokens_before) {
  if (metrics_ != nullptr) metrics_->AddMailboxTokens(mailbox_.tokens() - tokens_before);
}

}  // namespace strided
