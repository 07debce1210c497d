// When the requests of a load begin.

#ifndef STRIDED_CLIENT_CPP_BENCH_SCHEDULE_H_
#define STRIDED_CLIENT_CPP_BENCH_SCHEDULE_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <queue>
#include <random>
#include <vector>

#include "absl/time/time.h"

namespace strided::client {

// What load to make. The window, in which things are counted, begins after the warm-up.
struct LoadPlan {
  // Closed loop: so many requests at a time; as one ends, the next begins ...
  int streams = 1;
  // ... after this.
  absl::Duration think_time = absl::ZeroDuration();
  // Open loop instead, if set: so many requests per second on average, as a Poisson process,
  // however long the earlier ones take. Greater than 0.
  std::optional<double> arrival_rate = std::nullopt;

  absl::Duration warmup = absl::ZeroDuration();
  // Exactly one of the two ends the window: so much time, or the end of so many requests that began
  // in it.
  std::optional<absl::Duration> duration = std::nullopt;
  std::optional<uint64_t> requests = std::nullopt;

  uint64_t seed = 1;  // of the arrivals
};

// The part of `plan` that loop `index` of `count` makes, so that together they make all of it:
// streams and requests divided, the first loops taking what is over, rates divided (a sum of
// Poisson processes is one). Requires 0 <= index < count, and in a closed loop count <= streams:
// requests of a loop without a stream would never begin.
LoadPlan ShareOf(const LoadPlan& plan, int index, int count);

// Follows a plan. Pure: no clock, no threads; its caller says what time it is.
class Schedule {
 public:
  // The load begins at `begin`.
  Schedule(const LoadPlan& plan, absl::Time begin);

  // When the next request is due; InfiniteFuture while there is none: every stream is busy, or no
  // more requests are to begin.
  absl::Time next_due() const;

  // The due request begins. Returns when it was due. Requires that next_due() is finite.
  absl::Time Begin();

  // A request that was due at `due` has ended at `now`. Its stream stays away for `wait` or the
  // think time, whichever is longer.
  void End(absl::Time due, absl::Time now, absl::Duration wait);

  absl::Time window_begin() const { return window_begin_; }

  // Whether a request that was due at `due` is one of those that are counted.
  bool Counts(absl::Time due) const { return due >= window_begin_; }

  // Whether the window is over at `now`.
  bool Over(absl::Time now) const;

  // When Over may change without a request ending; InfiniteFuture with `requests`.
  absl::Time window_end() const;

 private:
  using Times = std::priority_queue<absl::Time, std::vector<absl::Time>, std::greater<>>;

  absl::Duration DrawGap();

  const LoadPlan plan_;
  const absl::Time window_begin_;
  std::mt19937_64 random_;
  Times due_;           // closed loop: when each idle stream begins; open loop: the next arrival
  uint64_t begun_ = 0;  // of those that count
  uint64_t ended_ = 0;
};

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_BENCH_SCHEDULE_H_
