// The signals that end a server, taken by a thread instead of a handler.

#ifndef STRIDED_SERVER_SIGNAL_THREAD_H_
#define STRIDED_SERVER_SIGNAL_THREAD_H_

#include <atomic>
#include <functional>
#include <thread>

namespace strided {

// Blocks SIGTERM, SIGINT and SIGUSR1 in this thread and in those that it starts from now on, and
// ignores SIGPIPE. Before any other thread is started.
void BlockSignals();

// Waits for SIGTERM and SIGINT. The first calls `on_first`; the second ends the process at once,
// with 128 + its number, as a shell reports a process that a signal ended.
class SignalThread {
 public:
  // Requires BlockSignals. `on_first` is called at most once, from this object's thread.
  explicit SignalThread(std::function<void(int signal)> on_first);
  ~SignalThread();  // joins; signals that come later are left pending

 private:
  void Run();

  const std::function<void(int)> on_first_;
  // Set before the signal that wakes the thread, which orders it.
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace strided

#endif  // STRIDED_SERVER_SIGNAL_THREAD_H_
