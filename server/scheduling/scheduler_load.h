// What a scheduler has taken on, from Submit to Finish: to tell which of several has room.

#ifndef STRIDED_SERVER_SCHEDULING_SCHEDULER_LOAD_H_
#define STRIDED_SERVER_SCHEDULING_SCHEDULER_LOAD_H_

#include <cstdint>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace strided {

// What a job asks for at most, all its samples together; or the sum over several jobs.
struct JobSize {
  int64_t sequences = 0;
  int64_t cache_bytes = 0;  // Executor::CacheBytes of each sequence's longest length
};

// The sum of the shares that are out. Thread-safe: callback threads submit, the scheduler's thread
// ends jobs, and a group reads all its schedulers' loads to choose one. Outlives its shares.
class SchedulerLoad {
 public:
  JobSize total() const ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    return total_;
  }

 private:
  friend class LoadShare;
  void Add(const JobSize& size, int sign) ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    total_.sequences += sign * size.sequences;
    total_.cache_bytes += sign * size.cache_bytes;
  }

  mutable absl::Mutex mu_;  // held for a sum
  JobSize total_ ABSL_GUARDED_BY(mu_);
};

// One job's part of a load, added when made and taken away when destroyed, whichever way the job
// ends. Move only; one thread at a time.
class LoadShare {
 public:
  // `load` outlives the share.
  LoadShare(SchedulerLoad* load, const JobSize& size) : load_(load), size_(size) {
    load_->Add(size_, 1);
  }
  LoadShare(LoadShare&& other) noexcept
      : load_(std::exchange(other.load_, nullptr)), size_(other.size_) {}
  LoadShare& operator=(LoadShare&& other) noexcept {
    std::swap(load_, other.load_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~LoadShare() {
    if (load_ != nullptr) load_->Add(size_, -1);
  }

 private:
  SchedulerLoad* load_;  // not owned; null after a move
  JobSize size_;
};

}  // namespace strided

#endif  // STRIDED_SERVER_SCHEDULING_SCHEDULER_LOAD_H_
