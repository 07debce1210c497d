// The threads that share a step.
//
// A step is a few hundred stages of some microseconds each, so threads wait for each other by
// spinning: first with a pause instruction, then by giving the core away. Between steps they spin
// for a moment, then sleep until the next one.

#ifndef STRIDED_ENGINE_CPU_THREAD_TEAM_H_
#define STRIDED_ENGINE_CPU_THREAD_TEAM_H_

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"
#include "engine/cpu/kernels/fetch_list.h"

namespace strided {

// Used by one thread at a time, which takes part as member 0. Run does not allocate.
// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): cache lines apart, on purpose
class ThreadTeam {
 public:
  using Work = absl::FunctionRef<void(int member)>;

  // Starts size - 1 threads. Requires size >= 1.
  explicit ThreadTeam(int size);
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;
  // Joins them. Must not be called during Run.
  ~ThreadTeam();

  int size() const { return size_; }

  // Calls work(member) once for each member in [0, size), each on its own thread; returns when all
  // have returned.
  void Run(Work work);

  // Within Run: returns when every member has called it as often as the caller. What members wrote
  // before it, all can read after it. Who waits asks for what `meanwhile` lists; null: nothing.
  void Barrier(FetchList* meanwhile = nullptr);

 private:
  void RunMember(int member);
  // Waits for a step other than `last`; its number.
  uint32_t AwaitStep(uint32_t last) const;

  const int size_;
  const Work* work_ = nullptr;  // written before step_ is, read after it
  bool stop_ = false;           // the same

  // Each on a cache line of its own: all members write `arrived_`, and spin on `phase_`.
  // step_ and phase_ are released by their writer and acquired by those who wait for them.
  alignas(64) std::atomic<uint32_t> step_{0};
  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<uint32_t> phase_{0};

  std::vector<std::thread> threads_;
};

}  // namespace strided

#endif  // STRIDED_ENGINE_CPU_THREAD_TEAM_H_
