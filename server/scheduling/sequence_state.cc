#include "server/scheduling/sequence_state.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace strided {
namespace {

int PromptLength(const Job& job) { return static_cast<int>(job.prompt.size()); }

size_t TopCount(const Job& job) { return static_cast<size_t>(job.top_logprobs.value_or(0)); }

// A stop id as it is told: the id or, over text, its bytes.
std::vector<int32_t> StopOfId(const StopConditions& stop, int32_t id) {
  if (!stop.text_of) return {id};
  std::vector<int32_t> bytes;
  for (const char c : stop.text_of(id)) bytes.push_back(static_cast<uint8_t>(c));
  return bytes;
}

}  // namespace

int MaxLength(const Job& job) {
  return PromptLength(job) + (job.kind == JobKind::kScore ? 0 : job.stop.max_new_tokens);
}

SequenceState::SequenceState(const Job* job, uint32_t sample_index, const StopAutomaton* stops,
                             const SchedulingMetrics* metrics)
    : job_(job),
      metrics_(metrics),
      sample_index_(sample_index),
      count_(metrics->Count(LiveObject::kSequence)),
      tokens_(job->resumed),
      stops_(&job->stop, stops),
      withheld_(LongestStop(job->stop), TopCount(*job)) {}

SequenceSpec SequenceState::Spec() const {
  SequenceSpec spec;
  spec.max_length = MaxLength(*job_);
  spec.prompt_length = PromptLength(*job_);
  spec.condition_values = job_->condition_values;
  spec.sampling = job_->sampling;
  spec.seed = job_->seed;
  spec.sample_index = sample_index_;
  spec.top_logprobs = job_->top_logprobs.value_or(0);
  return spec;
}

void SequenceState::Occupy(Slot slot, int position) {
  place_.emplace(Place{std::move(slot), metrics_->Count(LiveObject::kSlot)});
  position_ = position;
  // Here rather than at submission: a waiting job takes no memory for what it may never draw.
  if (job_->kind == JobKind::kGenerate) {
    tokens_.reserve(static_cast<size_t>(job_->stop.max_new_tokens));
  }
}

void SequenceState::Vacate() {
  if (!place_.has_value()) return;
  place_.reset();
  ran_before_ = std::max(ran_before_, position_);
  position_ = 0;
}

bool SequenceState::Advance() { return position_++ < ran_before_; }

int SequenceState::known_length() const {
  return PromptLength(*job_) + static_cast<int>(tokens_.size());
}

int32_t SequenceState::TokenAt(int position) const {
  const auto at = static_cast<size_t>(position);
  const size_t prompt = job_->prompt.size();
  return at < prompt ? job_->prompt[at] : tokens_[at - prompt];
}

RowOutput SequenceState::OutputAt(int position) const {
  if (position == known_length()) return RowOutput::kSample;
  const bool scored = position < PromptLength(*job_) + accepted_;
  return scored ? RowOutput::kNone : RowOutput::kScore;
}

void SequenceState::Accept(const TokenResult& result, Outbox* outbox) {
  const int position = PromptLength(*job_) + accepted_;
  if (position == known_length()) {
    tokens_.push_back(result.token);
    ++drawn_;
  }
  ++accepted_;
  const StopConditions& stop = job_->stop;
  StopReading reading = stops_.Feed(result.token, accepted_ >= stop.min_new_tokens);
  const PushedToken token = MakePush(position, result);
  if (withheld_.empty() && reading.released == 1 &&
      !reading.stop.has_value()) {  // the usual case: nothing is copied
    Release(token, outbox);
  } else {
    withheld_.Add(token);
    ReleaseWithheld(reading.released, outbox);
  }
  if (reading.stop.has_value()) {
    EndByStop(std::move(reading), outbox);
  } else if (accepted_ == stop.max_new_tokens) {
    End(stop.full_length_reason, outbox);
  }
}

void SequenceState::AcceptRun(std::span<const TokenResult> results, Outbox* outbox) {
  if (results.empty()) return;
  const int first = known_length();
  const int count = static_cast<int>(results.size());
  for (int i = 0; i < count; ++i) {
    const TokenResult& result = results[static_cast<size_t>(i)];
    tokens_.push_back(result.token);
    sum_log_prob_ += result.log_prob;
    outbox->Push(MakePush(first + i, result));
  }
  position_ += count;
  drawn_ += count;
  accepted_ += count;
  released_ += count;
  has_pushed_ = true;
  if (accepted_ == job_->stop.max_new_tokens) End(job_->stop.full_length_reason, outbox);
}

void SequenceState::AcceptScore(int position, const TokenResult& result, Outbox* outbox) {
  Release(MakePush(position, result), outbox);
}

void SequenceState::End(FinishReason reason, Outbox* outbox) {
  ReleaseWithheld(stops_.Flush(), outbox);
  Report({.reason = reason, .matched_stop = {}, .text_before_stop = {}}, outbox);
}

void SequenceState::EndByStop(StopReading reading, Outbox* outbox) {
  const StopConditions& stop = job_->stop;
  SampleEnd end{.reason = FinishReason::kStop, .matched_stop = {}, .text_before_stop = {}};
  if (stop.include_stop) {
    ReleaseWithheld(static_cast<int>(withheld_.size()), outbox);
  } else {
    end.text_before_stop = std::move(reading.text_before);
  }
  const auto index = static_cast<size_t>(*reading.stop);
  if (index < stop.sequences.size()) {
    end.matched_stop = stop.sequences[index];
  } else {
    const int32_t id = stop.ids[index - stop.sequences.size()];
    if (id == stop.end_id) {
      end.reason = FinishReason::kEndOfSequence;
    } else {
      end.matched_stop = StopOfId(stop, id);
    }
  }
  Report(std::move(end), outbox);
}

void SequenceState::Report(SampleEnd end, Outbox* outbox) {
  ended_ = true;
  Vacate();
  end.sample_index = sample_index_;
  end.generated_tokens = released_;
  end.sum_log_prob = sum_log_prob_;
  outbox->FinishSample(std::move(end));
}

std::optional<absl::Time> SequenceState::ExchangeLastDraw(absl::Time now) {
  return std::exchange(last_draw_, now);
}

PushedToken SequenceState::MakePush(int position, const TokenResult& result) const {
  return {.sample_index = sample_index_,
          .position = position,
          .token = result.token,
          .log_prob = result.log_prob,
          .top_ids = result.top_ids,
          .top_values = result.top_values};
}

void SequenceState::Release(const PushedToken& token, Outbox* outbox) {
  ++released_;
  sum_log_prob_ += token.log_prob;
  // Resumed tokens are with the client already.
  const size_t first_pushed =
      job_->kind == JobKind::kScore ? 0 : job_->prompt.size() + job_->resumed.size();
  if (static_cast<size_t>(token.position) < first_pushed) return;
  has_pushed_ = true;
  outbox->Push(token);
}

void SequenceState::ReleaseWithheld(int count, Outbox* outbox) {
  for (; count > 0; --count) {
    Release(withheld_.front(), outbox);
    withheld_.PopFront();
  }
}

}  // namespace strided
