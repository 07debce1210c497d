// Time as the server sees it; a test turns it by hand.

#ifndef STRIDED_ENGINE_BASE_CLOCK_H_
#define STRIDED_ENGINE_BASE_CLOCK_H_

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace strided {

// Whoever needs the time is given a Clock, which outlives it. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  // The time of day. May step back when the system's clock is set.
  virtual absl::Time Now() const = 0;
};

// The system's own clock, for programs. Has no state: one per thread or one for all is the same.
class SystemClock final : public Clock {
 public:
  absl::Time Now() const override { return absl::Now(); }
};

// Stands still until told to move, so that a test decides when a limit is reached.
class FakeClock final : public Clock {
 public:
  // Stands at `start`.
  explicit FakeClock(absl::Time start = absl::UnixEpoch()) : now_(start) {}

  absl::Time Now() const override ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    return now_;
  }
  // Moves on by `step`, which may be negative, as when a system's clock is set. Wakes nobody.
  void Advance(absl::Duration step) ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    now_ += step;
  }

 private:
  // The test's thread moves the time; any thread reads it. Held for one access only.
  mutable absl::Mutex mu_;
  absl::Time now_ ABSL_GUARDED_BY(mu_);
};

}  // namespace strided

#endif  // STRIDED_ENGINE_BASE_CLOCK_H_
