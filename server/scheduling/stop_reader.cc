#include "server/scheduling/stop_reader.h"

#include <algorithm>
#include <utility>

namespace strided {
namespace {

// A token without text: no stop sequence goes on across it.
constexpr int32_t kNoByte = -1;

}  // namespace

std::vector<std::vector<int32_t>> StopsOf(const StopConditions& stop) {
  std::vector<std::vector<int32_t>> stops = stop.sequences;
  if (stop.text_of) return stops;
  for (const int32_t id : stop.ids) stops.push_back({id});
  return stops;
}

size_t LongestStop(const StopConditions& stop) {
  size_t longest = 1;
  for (const std::vector<int32_t>& sequence : stop.sequences) {
    longest = std::max(longest, sequence.size());
  }
  return stop.text_of ? longest + 1 : longest;  // and one that is taken in before others go
}

StopReading StopReader::FeedMatcher(int32_t token, bool armed) {
  if (stop_->text_of) return FeedText(token, armed);
  const StopVerdict verdict = matcher_.Feed(token, armed);
  return {.released = verdict.released, .stop = verdict.matched, .text_before = {}};
}

StopReading StopReader::FeedText(int32_t token, bool armed) {
  const auto id = std::lower_bound(stop_->ids.begin(), stop_->ids.end(), token);
  if (armed && id != stop_->ids.end() && *id == token) {
    const auto index = stop_->sequences.size() + static_cast<size_t>(id - stop_->ids.begin());
    return {.released = Flush(), .stop = static_cast<int>(index), .text_before = {}};
  }
  const absl::string_view text = stop_->text_of(token);
  withheld_.push_back(token);
  withheld_bytes_ += text.size();
  for (size_t i = 0; i < text.size(); ++i) {
    const StopVerdict verdict = matcher_.Feed(static_cast<uint8_t>(text[i]), armed);
    if (!verdict.matched.has_value()) continue;
    const size_t kept = static_cast<size_t>(verdict.matched_tokens) + text.size() - (i + 1);
    const int released = ReleaseBefore(kept);
    const absl::string_view first = stop_->text_of(withheld_.front());
    return {.released = released,
            .stop = verdict.matched,
            .text_before = std::string(first.substr(0, withheld_bytes_ - kept))};
  }
  if (text.empty()) matcher_.Feed(kNoByte, armed);
  return {.released = ReleaseBefore(static_cast<size_t>(matcher_.withheld())),
          .stop = std::nullopt,
          .text_before = {}};
}

int StopReader::ReleaseBefore(size_t kept_bytes) {
  int released = 0;
  while (!withheld_.empty()) {
    const size_t bytes = stop_->text_of(withheld_.front()).size();
    if (withheld_bytes_ < kept_bytes + bytes) break;
    withheld_bytes_ -= bytes;
    withheld_.pop_front();
    ++released;
  }
  return released;
}

int StopReader::Flush() {
  if (!stop_->text_of) return matcher_.Flush();
  withheld_bytes_ = 0;
  return static_cast<int>(std::exchange(withheld_, {}).size());
}

}  // namespace strided
