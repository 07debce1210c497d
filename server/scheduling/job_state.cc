#include "server/scheduling/job_state.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/error_detail.h"

namespace strided {
namespace {

constexpr absl::Duration kProgressInterval = absl::Milliseconds(500);

absl::Status NonFinite(int position) {
  return WithReason(
      absl::InternalError(
          absl::StrCat("the model's logits at position ", position, " are not finite")),
      {.reason = "NON_FINITE_LOGITS", .metadata = {{"position", absl::StrCat(position)}}});
}

}  // namespace

JobState::JobState(Submission submission, int64_t cache_bytes, const SchedulingMetrics* metrics)
    : submission_(std::move(submission)),
      cache_bytes_(cache_bytes),
      metrics_(metrics),
      stops_(StopsOf(job().stop)),
      waiting_(job().samples),
      last_progress_time_(submission_.when) {
  samples_.reserve(static_cast<size_t>(waiting_));
  for (int i = 0; i < waiting_; ++i) {
    const uint32_t sample_index = job().first_sample_index + static_cast<uint32_t>(i);
    samples_.emplace_back(&job(), sample_index, &stops_, metrics);
  }
}

// -- Slots

SequenceState& JobState::NextToStart() {
  const auto waits = [](const SequenceState& s) { return !s.has_slot() && !s.ended(); };
  // Who runs the prompt may have to hold it for others and then draws last: the last sample.
  if (prompt_length() > 0 && PrefillParent() == nullptr) {
    return *std::find_if(samples_.rbegin(), samples_.rend(), waits);
  }
  return *std::find_if(samples_.begin(), samples_.end(), waits);
}

const SequenceState* JobState::PrefillParent() const {
  if (prompt_length() == 0) return nullptr;
  const auto parent = std::find_if(samples_.rbegin(), samples_.rend(), [&](const SequenceState& s) {
    return s.has_slot() && s.position() <= prompt_length();
  });
  return parent == samples_.rend() ? nullptr : &*parent;
}

bool JobState::AwaitsPrompt() const {
  const SequenceState* const parent = PrefillParent();
  return waiting_ > 0 && parent != nullptr && parent->position() < prompt_length();
}

void JobState::Occupy(SequenceState& sample, Slot slot, absl::Time now) {
  const SequenceState* const parent = PrefillParent();
  sample.Occupy(std::move(slot), parent == nullptr ? 0 : parent->position());
  ++live_;
  --waiting_;
  if (started_.has_value()) return;
  started_ = now;
  metrics_->JobStarted(now - submission_.when, prompt_length());
}

void JobState::PreemptOne() {
  // First the one that holds the prompt, which has drawn nothing; the others start in order.
  const auto victim = std::find_if(samples_.rbegin(), samples_.rend(),
                                   [](const SequenceState& s) { return s.has_slot(); });
  victim->Vacate();
  --live_;
  ++waiting_;
  ++preemptions_;
  metrics_->Preempted();
}

void JobState::PreemptAll() {
  while (live_ > 0) PreemptOne();
}

void JobState::VacateAll() {
  for (SequenceState& sample : samples_) sample.Vacate();
  waiting_ += std::exchange(live_, 0);
}

// -- Steps

bool JobState::HoldsPrompt(const SequenceState& sample) const {
  return waiting_ > 0 && live_ > 1 && sample.position() == prompt_length() &&
         PrefillParent() == &sample;
}

int JobState::RowsReady(const SequenceState& sample) const {
  if (!sample.has_slot() || HoldsPrompt(sample)) return 0;
  int end = std::min(sample.known_length() + 1, MaxLength(job()));
  // The prompt alone, for siblings to be forked after it.
  if (waiting_ > 0 && sample.position() < prompt_length()) end = prompt_length();
  return end - sample.position();
}

bool JobState::Decodes(const SequenceState& sample) const {
  return job().kind == JobKind::kGenerate && sample.position() == sample.known_length();
}

bool JobState::WantsScore(int position) const {
  if (position < prompt_taken_) return false;
  if (job().kind == JobKind::kScore) return position >= job().score_from;
  return job().echo_prompt && job().top_logprobs.has_value();
}

int JobState::Drawable(const SequenceState& sample) const {
  const int left = MaxLength(job()) - sample.position();
  return std::max(1, std::min(left, room_ / live_));
}

StepRow JobState::RowAt(const SequenceState& sample, int position) const {
  StepRow row;
  row.slot = sample.slot().index();
  row.position = position;
  row.input = position > 0 ? sample.TokenAt(position - 1) : job().first_input;
  if (position >= prompt_length()) {
    row.output = sample.OutputAt(position);
  } else if (WantsScore(position)) {
    row.output = RowOutput::kScore;
  }
  if (row.output == RowOutput::kScore) row.target = sample.TokenAt(position);
  return row;
}

JobState::Delivery& JobState::Delivery::operator+=(const Delivery& other) {
  generated += other.generated;
  replayed += other.replayed;
  wasted += other.wasted;
  evenly_spaced += other.evenly_spaced;
  return *this;
}

JobState::Delivery JobState::Deliver(SequenceState& sample, std::span<const StepRow> rows,
                                     std::span<const TokenResult> results, const CallTimes& times) {
  Delivery delivery;
  const int drawn_before = sample.drawn();
  for (const StepRow& row : rows) {
    const auto steps = static_cast<size_t>(row.steps);
    const bool run = row.steps > 1 && !sample.has_stops();
    delivery += run ? TakeRun(sample, row, results.first(steps), times)
                    : TakeSteps(sample, row, results.first(steps), times);
    results = results.subspan(steps);
  }
  delivery.generated = sample.drawn() - drawn_before;
  if (sample.has_pushed() && job().kind == JobKind::kGenerate) NoteFirstPush(times.end);
  if (sample.ended()) --live_;
  if (rows.back().position >= prompt_length() || sample.ended()) EndPrefill(times.end);
  return delivery;
}

JobState::Delivery JobState::TakeSteps(SequenceState& sample, StepRow row,
                                       std::span<const TokenResult> results,
                                       const CallTimes& times) {
  Delivery delivery;
  const bool draws = row.output == RowOutput::kSample;
  absl::Time drawn = times.start;
  for (const TokenResult& result : results) {
    drawn += times.step_time;
    if (sample.ended()) {  // by a stop
      delivery.wasted += draws ? 1 : 0;
    } else if (failure_.ok()) {
      delivery.replayed += TakeRow(sample, row, result) ? 1 : 0;
      if (draws && failure_.ok()) {
        delivery.evenly_spaced += NoteDraw(sample, drawn, times.step_time) ? 1 : 0;
      }
    }
    ++row.position;
  }
  return delivery;
}

JobState::Delivery JobState::TakeRun(SequenceState& sample, const StepRow& row,
                                     std::span<const TokenResult> results, const CallTimes& times) {
  Delivery delivery;
  const auto bad = std::ranges::find_if(results, [](const TokenResult& r) { return !r.finite; });
  const auto good = static_cast<int>(bad - results.begin());
  if (good > 0) {
    const bool even = NoteDraw(sample, times.start + times.step_time, times.step_time);
    delivery.evenly_spaced = (even ? 1 : 0) + good - 1;
    sample.ExchangeLastDraw(times.start + good * times.step_time);
  }
  sample.AcceptRun(results.first(static_cast<size_t>(good)), &outbox_);
  if (bad != results.end()) FailNonFinite(row.position + good);
  return delivery;
}

void JobState::FailNonFinite(int position) {
  metrics_->NonFiniteLogits();
  failure_ = NonFinite(position);
}

bool JobState::TakeRow(SequenceState& sample, const StepRow& row, const TokenResult& result) {
  if (row.output != RowOutput::kNone && !result.finite) {
    FailNonFinite(row.position);
    return false;
  }
  const bool replayed = sample.Advance();
  if (row.position < prompt_length()) {
    TakePromptRow(sample, row, result);
  } else if (row.output != RowOutput::kNone) {
    sample.Accept(result, &outbox_);
  }
  return replayed;
}

bool JobState::NoteDraw(SequenceState& sample, absl::Time now, absl::Duration step_time) {
  const std::optional<absl::Time> last = sample.ExchangeLastDraw(now);
  if (!last.has_value()) return false;
  if (now - *last == step_time) return true;
  metrics_->TokenDrawn(now - *last);
  return false;
}

void JobState::EndPrefill(absl::Time now) {
  if (prefill_ended_.has_value()) return;
  prefill_ended_ = now;
  metrics_->PrefillEnded(now - *started_);
}

void JobState::TakePromptRow(SequenceState& sample, const StepRow& row, const TokenResult& result) {
  if (row.position < prompt_taken_) return;  // a replay
  prompt_taken_ = row.position + 1;
  if (job().kind == JobKind::kScore) {
    if (row.output == RowOutput::kScore) sample.AcceptScore(row.position, result, &outbox_);
    if (prompt_taken_ == prompt_length()) sample.End(FinishReason::kLength, &outbox_);
    return;
  }
  if (!job().echo_prompt) return;
  PushedToken token{.position = row.position,
                    .token = sample.TokenAt(row.position),
                    .log_prob = result.log_prob,
                    .top_ids = result.top_ids,
                    .top_values = result.top_values};
  for (const SequenceState& reader : samples_) {
    token.sample_index = reader.sample_index();
    outbox_.Push(token);
  }
}

void JobState::NoteFirstPush(absl::Time now) {
  if (first_pushed_.has_value()) return;
  first_pushed_ = now;
  metrics_->FirstTokenPushed(now - submission_.when);
}

// -- The reader

void JobState::PollRoom(absl::Time now) {
  room_ = submission_.sink->Room();
  if (room_ > 0) {
    room_ -= static_cast<int>(outbox_.tokens());  // the sink hears of them, and then of no more
    paused_since_.reset();
  } else if (!paused_since_.has_value()) {
    paused_since_ = now;
  }
}

std::optional<JobProgress> JobState::CurrentProgress(int queue_position) const {
  if (live_ == 0) {
    const JobPhase phase = started_.has_value() ? JobPhase::kPreempted : JobPhase::kQueued;
    return JobProgress{.phase = phase, .queue_position = queue_position};
  }
  const SequenceState* const parent = PrefillParent();
  if (prefill_ended_.has_value() || parent == nullptr) return std::nullopt;  // tokens tell
  return JobProgress{.phase = JobPhase::kPrefilling, .prefilled_tokens = parent->position()};
}

void JobState::OfferProgress(int queue_position, absl::Time now) {
  if (paused() || has_mail() || now - last_progress_time_ < kProgressInterval) return;
  const std::optional<JobProgress> progress = CurrentProgress(queue_position);
  if (!progress.has_value() || progress == last_progress_) return;
  last_progress_ = progress;
  last_progress_time_ = now;
  submission_.sink->Progress(*progress);
}

// -- The end

void JobState::EndSamples(FinishReason reason) {
  for (SequenceState& sample : samples_) {
    if (!sample.ended()) sample.End(reason, &outbox_);
  }
  live_ = 0;
  waiting_ = 0;
}

int64_t JobState::drawn() const {
  int64_t total = 0;
  for (const SequenceState& sample : samples_) total += sample.drawn();
  return total;
}

JobSummary JobState::Summarise(absl::Time now) const {
  JobSummary summary;
  summary.prompt_tokens = prompt_length();
  for (const SequenceState& sample : samples_) summary.generated_tokens += sample.generated();
  const absl::Time started = started_.value_or(now);
  const absl::Time prefill_ended = prefill_ended_.value_or(now);
  summary.queue_time = started - submission_.when;
  summary.prefill_time = prefill_ended - started;
  summary.decode_time = now - prefill_ended;
  if (first_pushed_.has_value()) summary.time_to_first_token = *first_pushed_ - submission_.when;
  summary.preemptions = preemptions_;
  return summary;
}

void JobState::Finish(const absl::Status& status, absl::Time now) {
  if (prefill_ended_.has_value() && job().kind == JobKind::kGenerate) {
    metrics_->DecodeEnded(now - *prefill_ended_);
  }
  if (!status.ok()) metrics_->TokensWasted(drawn());
  SendMail();
  // Before the client can see its end: a request that answers this one finds the place free.
  { const Ticket returned = std::move(submission_.ticket); }
  submission_.sink->Finish(status, Summarise(now));
}

}  // namespace strided
