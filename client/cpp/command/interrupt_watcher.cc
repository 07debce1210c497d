#include "client/cpp/command/interrupt_watcher.h"

#include <pthread.h>
#include <unistd.h>

#include <csignal>

#include "client/cpp/command/outcome.h"

namespace strided::client {
namespace {

sigset_t Interrupts() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  return signals;
}

}  // namespace

InterruptWatcher::InterruptWatcher(Cancellation* cancellation) : cancellation_(cancellation) {
  const sigset_t signals = Interrupts();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  thread_ = std::thread([this] { Watch(); });
}

InterruptWatcher::~InterruptWatcher() {
  done_ = true;
  pthread_kill(thread_.native_handle(), SIGINT);
  thread_.join();
}

void InterruptWatcher::Watch() {
  const sigset_t signals = Interrupts();
  for (bool interrupted = false; true; interrupted = true) {
    int number = 0;
    sigwait(&signals, &number);
    if (done_) return;
    if (interrupted) _exit(kExitInterrupted);
    cancellation_->Cancel();
  }
}

}  // namespace strided::client
