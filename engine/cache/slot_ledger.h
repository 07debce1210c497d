// Which slots are taken, and the cache memory that they take together.

#ifndef STRIDED_ENGINE_CACHE_SLOT_LEDGER_H_
#define STRIDED_ENGINE_CACHE_SLOT_LEDGER_H_

#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"

namespace strided {

struct CacheUsage {
  int64_t used_bytes = 0;      // by slots in use
  int64_t capacity_bytes = 0;  // that slots may use together
  int slots_in_use = 0;
};

// One thread takes and gives back; usage() may be called from any.
class SlotLedger {
 public:
  // Requires max_slots >= 1 and capacity_bytes >= 0.
  SlotLedger(int max_slots, int64_t capacity_bytes);

  // OK if a slot of so many cache bytes can be taken now. InvalidArgument where it exceeds the
  // capacity alone; ResourceExhausted where it does beside the slots in use, or all are.
  absl::Status CheckRoom(int64_t bytes) const ABSL_LOCKS_EXCLUDED(mu_);
  // The lowest free slot. Requires CheckRoom(bytes).
  int Take(int64_t bytes) ABSL_LOCKS_EXCLUDED(mu_);
  // Requires a slot in use that was taken for `bytes`.
  void GiveBack(int slot, int64_t bytes) ABSL_LOCKS_EXCLUDED(mu_);

  // For a device that knows its room only once all else is loaded. Requires that nothing is taken.
  void SetCapacity(int64_t bytes) ABSL_LOCKS_EXCLUDED(mu_);
  CacheUsage usage() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  const int max_slots_;
  std::vector<int> free_;  // of the owning thread alone; the lowest last

  // usage() reads from other threads.
  mutable absl::Mutex mu_;
  CacheUsage usage_ ABSL_GUARDED_BY(mu_);
};

}  // namespace strided

#endif  // STRIDED_ENGINE_CACHE_SLOT_LEDGER_H_
