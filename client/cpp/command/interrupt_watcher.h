// Ctrl-C and SIGTERM as a Cancellation.

#ifndef STRIDED_CLIENT_CPP_COMMAND_INTERRUPT_WATCHER_H_
#define STRIDED_CLIENT_CPP_COMMAND_INTERRUPT_WATCHER_H_

#include <atomic>
#include <thread>

#include "client/cpp/cancellation.h"

namespace strided::client {

// Made once, in main, before any other thread: threads inherit the mask that keeps the signals from
// them. The first signal cancels; a second ends the process at once with exit code 130.
class InterruptWatcher {
 public:
  // Blocks SIGINT and SIGTERM in this thread and starts the one that waits for them. `cancellation`
  // outlives this.
  explicit InterruptWatcher(Cancellation* cancellation);
  ~InterruptWatcher();
  InterruptWatcher(const InterruptWatcher&) = delete;
  InterruptWatcher& operator=(const InterruptWatcher&) = delete;

 private:
  void Watch();

  Cancellation* const cancellation_;
  std::atomic<bool> done_ =
      false;  // set before the signal that wakes the thread, so any order does
  std::thread thread_;
};

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_COMMAND_INTERRUPT_WATCHER_H_
