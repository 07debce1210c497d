#include "server/signal_thread.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <utility>

namespace strided {
namespace {

constexpr int kWake = SIGUSR1;

sigset_t WaitedFor() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGTERM, SIGINT, kWake}) sigaddset(&set, signal);
  return set;
}

}  // namespace

void BlockSignals() {
  const sigset_t set = WaitedFor();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signal(SIGPIPE, SIG_IGN);  // a reader that is gone is an error of write, not of the process
}

SignalThread::SignalThread(std::function<void(int signal)> on_first)
    : on_first_(std::move(on_first)), thread_([this] { Run(); }) {}

SignalThread::~SignalThread() {
  stopping_ = true;
  pthread_kill(thread_.native_handle(), kWake);
  thread_.join();
}

void SignalThread::Run() {
  const sigset_t set = WaitedFor();
  bool first = true;
  while (true) {
    int signal = 0;
    if (sigwait(&set, &signal) != 0 || signal == kWake) {
      if (stopping_) return;
      continue;  // somebody else's SIGUSR1
    }
    if (!first) _exit(128 + signal);
    first = false;
    on_first_(signal);
  }
}

}  // namespace strided
