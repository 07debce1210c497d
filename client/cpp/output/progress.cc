#include "client/cpp/output/progress.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cpp/output/numbers.h"

namespace strided::client {
namespace {

constexpr absl::Duration kSilence = absl::Seconds(1);
constexpr absl::Duration kBetweenPlainLines = absl::Seconds(5);
constexpr int kWidestBar = 30;
constexpr int kNarrowestBar = 5;

double ShareDone(const ProgressState& state) {
  const auto total = static_cast<double>(std::max<uint64_t>(1, *state.total));
  return std::min(1.0, static_cast<double>(state.done) / total);
}

std::string Amount(const ProgressState& state) {
  if (!state.total.has_value()) return absl::StrCat(WithCommas(state.done), " tokens");
  return absl::StrCat(WithCommas(state.done), "/", WithCommas(*state.total), " tokens  ",
                      static_cast<int>(ShareDone(state) * 100), " %");
}

std::string Speed(const ProgressState& state) {
  if (state.tokens_per_second <= 0) return "";
  std::string speed = absl::StrCat("  ", ShortNumber(state.tokens_per_second), " tokens/s");
  if (state.total.has_value() && *state.total > state.done) {
    const auto left = static_cast<double>(*state.total - state.done);
    absl::StrAppend(&speed, "  ETA ", ClockTime(absl::Seconds(left / state.tokens_per_second)));
  }
  return speed;
}

}  // namespace

std::string ProgressBar(const ProgressState& state, int columns) {
  const std::string amount = Amount(state);
  const std::string speed = Speed(state);
  // Two spaces and two brackets; the last column stays free, since some terminals wrap there.
  const int room = columns - static_cast<int>(amount.size() + speed.size()) - 5;
  const int width = std::min(kWidestBar, room);
  if (!state.total.has_value() || width < kNarrowestBar) {
    return absl::StrCat(amount, speed).substr(0, static_cast<size_t>(std::max(1, columns - 1)));
  }
  const int full = static_cast<int>(ShareDone(state) * width);
  return absl::StrCat(amount, "  [", std::string(static_cast<size_t>(full), '#'),
                      std::string(static_cast<size_t>(width - full), '-'), "]", speed);
}

std::string ProgressText(const ProgressState& state) {
  return absl::StrCat(Amount(state), Speed(state));
}

Progress::Progress(const Place& place, TimeSource now)
    : place_(place), now_(std::move(now)), begin_(now_()), last_plain_(begin_) {}

absl::Status Progress::Wait(const std::string& reason) {
  if (state_.done > 0) return absl::OkStatus();
  return Show(reason.substr(0, static_cast<size_t>(std::max(1, place_.columns() - 1))), reason);
}

absl::Status Progress::Add(uint64_t tokens) {
  state_.done += tokens;
  if (!rate_begin_.has_value()) {
    rate_begin_ = now_();
    before_rate_ = tokens;
  }
  state_.tokens_per_second = rate();
  return Show(ProgressBar(state_, place_.columns()), ProgressText(state_));
}

void Progress::BeginRate() {
  if (!rate_begin_.has_value()) rate_begin_ = now_();
}

double Progress::rate() const {
  if (!rate_begin_.has_value()) return 0;
  const double seconds = absl::ToDoubleSeconds(now_() - *rate_begin_);
  return seconds > 0 ? static_cast<double>(state_.done - before_rate_) / seconds : 0;
}

absl::Status Progress::Show(const std::string& live_line, const std::string& plain_line) {
  const absl::Time now = now_();
  if (now - begin_ < kSilence) return absl::OkStatus();
  if (place_.live != nullptr) return place_.live->Set(LiveLines::kProgress, live_line);
  if (place_.plain == nullptr || now - last_plain_ < kBetweenPlainLines) return absl::OkStatus();
  last_plain_ = now;
  return place_.plain->Write(absl::StrCat(plain_line, "\n"));
}

}  // namespace strided::client
