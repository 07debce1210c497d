#include "engine/cpu/thread_team.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace strided {
namespace {

// About 20 microseconds of pauses: longer than any stage that the others still work on, unless a
// member has lost its core.
constexpr int kSpins = 1000;
// Then a member yields; between steps it does so this often before it sleeps.
constexpr int kYieldsBeforeSleep = 50;

// Bytes that who waits asks for between two looks: a line each time comes to half as much in all.
constexpr size_t kFetchedALook = 256;

void Pause() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

ThreadTeam::ThreadTeam(int size) : size_(size) {
  threads_.reserve(static_cast<size_t>(size - 1));
  for (int member = 1; member < size; ++member) {
    threads_.emplace_back([this, member] { RunMember(member); });
  }
}

ThreadTeam::~ThreadTeam() {
  stop_ = true;
  step_.fetch_add(1, std::memory_order_release);
  step_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadTeam::Run(Work work) {
  if (size_ > 1) {
    work_ = &work;
    step_.fetch_add(1, std::memory_order_release);
    step_.notify_all();
  }
  work(0);
  Barrier();
}

void ThreadTeam::RunMember(int member) {
  uint32_t step = 0;
  while (true) {
    step = AwaitStep(step);
    if (stop_) return;
    (*work_)(member);
    Barrier();
  }
}

uint32_t ThreadTeam::AwaitStep(uint32_t last) const {
  for (int i = 0; i < kSpins + kYieldsBeforeSleep; ++i) {
    const uint32_t step = step_.load(std::memory_order_acquire);
    if (step != last) return step;
    if (i < kSpins) {
      Pause();
    } else {
      std::this_thread::yield();
    }
  }
  step_.wait(last, std::memory_order_acquire);
  return step_.load(std::memory_order_acquire);
}

void ThreadTeam::Barrier(FetchList* meanwhile) {
  if (size_ == 1) return;
  const uint32_t phase = phase_.load(std::memory_order_relaxed);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size_) {
    arrived_.store(0, std::memory_order_relaxed);  // published by phase_
    phase_.store(phase + 1, std::memory_order_release);
    return;
  }
  for (int spins = 0; phase_.load(std::memory_order_acquire) == phase;) {
    if (meanwhile != nullptr && meanwhile->Fetch(kFetchedALook)) continue;
    if (spins++ < kSpins) {
      Pause();
    } else {
      std::this_thread::yield();
    }
  }
}

}  // namespace strided
