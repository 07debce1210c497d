#include "server/service/stream_timer.h"

#include <utility>

namespace strided {

StreamTimer::~StreamTimer() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
    changed_.Signal();
  }
  if (thread_.joinable()) thread_.join();
}

void StreamTimer::Start() {
  thread_ = std::thread([this] { Run(); });
}

void StreamTimer::WakeAt(absl::Time when, const std::shared_ptr<TimerClient>& client) {
  absl::MutexLock lock(&mu_);
  Erase(client.get());
  entries_[client.get()] = {when, client};
  const auto [place, inserted] = order_.emplace(when, client.get());
  if (place == order_.begin()) changed_.Signal();
}

void StreamTimer::RunSoon(std::shared_ptr<TimerClient> client) {
  absl::MutexLock lock(&mu_);
  turns_.push_back(std::move(client));
  if (turns_.size() == 1) changed_.Signal();
}

void StreamTimer::Forget(const TimerClient* client) {
  absl::MutexLock lock(&mu_);
  Erase(client);
}

void StreamTimer::Erase(Key key) {
  const auto entry = entries_.find(key);
  if (entry == entries_.end()) return;
  order_.erase({entry->second.when, key});
  entries_.erase(entry);
}

std::optional<std::shared_ptr<TimerClient>> StreamTimer::TakeDue() {
  absl::MutexLock lock(&mu_);
  if (order_.empty() || order_.begin()->first > clock_->Now()) return std::nullopt;
  const Key key = order_.begin()->second;
  std::shared_ptr<TimerClient> client = entries_.at(key).client.lock();
  Erase(key);
  return client;
}

bool StreamTimer::RunTurns() {
  std::vector<std::shared_ptr<TimerClient>> turns;
  {
    absl::MutexLock lock(&mu_);
    turns.swap(turns_);
  }
  for (std::shared_ptr<TimerClient>& client : turns) std::exchange(client, nullptr)->OnTurn();
  return !turns.empty();
}

bool StreamTimer::RunDue() {
  bool ran = RunTurns();
  while (std::optional<std::shared_ptr<TimerClient>> client = TakeDue()) {
    if (*client != nullptr) (*client)->OnTimer();
    ran = true;
  }
  return ran;
}

void StreamTimer::Run() {
  while (true) {
    RunDue();
    absl::MutexLock lock(&mu_);
    if (stopping_) return;
    if (!turns_.empty()) continue;
    if (order_.empty()) {
      changed_.Wait(&mu_);
    } else {
      changed_.WaitWithTimeout(&mu_, order_.begin()->first - clock_->Now());
    }
  }
}

}  // namespace strided
