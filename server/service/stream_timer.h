// Calls streams at times that they ask for, or as soon as it comes to them, from one thread of its
// own.
//
// gRPC's Alarm would do for a single time, but it cannot be moved, and its callback runs on after
// the alarm is gone; a stream moves its time with every message.

#ifndef STRIDED_SERVER_SERVICE_STREAM_TIMER_H_
#define STRIDED_SERVER_SERVICE_STREAM_TIMER_H_

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "engine/base/clock.h"

namespace strided {

class TimerClient {
 public:
  virtual ~TimerClient() = default;
  // Must not block. May be the last that keeps the client alive.
  virtual void OnTimer() = 0;
  // The turn that was asked for by RunSoon. The same holds.
  virtual void OnTurn() = 0;
};

// Thread-safe. `mu_` is not held while a client is called.
class StreamTimer {
 public:
  // `clock` outlives the timer.
  explicit StreamTimer(const Clock* clock) : clock_(clock) {}
  ~StreamTimer();  // joins; times and turns still to come are forgotten

  // Starts the thread. Without it, tests call RunDue.
  void Start();

  // Calls `client` once, at `when` or soon after, unless it is destroyed first. Replaces the time
  // that it asked for before. The client is shared, because a reader that hangs up and a time that
  // comes may end its life alike.
  void WakeAt(absl::Time when, const std::shared_ptr<TimerClient>& client) ABSL_LOCKS_EXCLUDED(mu_);

  // Calls client->OnTurn() once for each time that this is called, in their order, before whoever
  // is due. Whatever WakeAt and Forget are told.
  void RunSoon(std::shared_ptr<TimerClient> client) ABSL_LOCKS_EXCLUDED(mu_);

  // Forgets the time that `client` asked for, so that nothing of it is kept until then. A call that
  // is under way goes on.
  void Forget(const TimerClient* client) ABSL_LOCKS_EXCLUDED(mu_);

  // Calls those whose turn or time has come; false if there was none.
  bool RunDue() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  using Key = const TimerClient*;
  struct Entry {
    absl::Time when;
    std::weak_ptr<TimerClient> client;
  };

  void Run() ABSL_LOCKS_EXCLUDED(mu_);
  bool RunTurns() ABSL_LOCKS_EXCLUDED(mu_);
  void Erase(Key key) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // The next client whose time has come; null where its life has ended, none where none is due.
  std::optional<std::shared_ptr<TimerClient>> TakeDue() ABSL_LOCKS_EXCLUDED(mu_);

  const Clock* const clock_;  // not owned
  absl::Mutex mu_;
  absl::CondVar changed_;  // a first time that is earlier, a first turn, or the end
  std::map<Key, Entry> entries_ ABSL_GUARDED_BY(mu_);
  std::set<std::pair<absl::Time, Key>> order_ ABSL_GUARDED_BY(mu_);
  std::vector<std::shared_ptr<TimerClient>> turns_ ABSL_GUARDED_BY(mu_);  // the oldest first
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;  // last: joined before the rest goes
};

}  // namespace strided

#endif  // STRIDED_SERVER_SERVICE_STREAM_TIMER_H_
