// The sequences that an executor holds, by slot.

#ifndef STRIDED_ENGINE_CACHE_SLOT_TABLE_H_
#define STRIDED_ENGINE_CACHE_SLOT_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "engine/cache/slot_ledger.h"

namespace strided {

// `Sequence` is a device's own type; its cache_bytes() does not change. One thread adds, finds and
// removes; usage() may be called from any.
template <typename Sequence>
class SlotTable {
 public:
  SlotTable(int max_slots, int64_t capacity_bytes)
      : ledger_(max_slots, capacity_bytes), sequences_(static_cast<size_t>(max_slots)) {}

  // Whether a sequence of so many cache bytes can be added now; errors as SlotLedger::CheckRoom.
  absl::Status CheckRoom(int64_t bytes) const { return ledger_.CheckRoom(bytes); }
  // The slot that it was put in. Requires CheckRoom(sequence->cache_bytes()).
  int Add(std::unique_ptr<Sequence> sequence) {
    const int slot = ledger_.Take(sequence->cache_bytes());
    sequences_[static_cast<size_t>(slot)] = std::move(sequence);
    return slot;
  }
  // Null where the slot is not in use.
  Sequence* Find(int slot) const {
    if (slot < 0 || static_cast<size_t>(slot) >= sequences_.size()) return nullptr;
    return sequences_[static_cast<size_t>(slot)].get();
  }
  // Requires a slot in use. The sequence is destroyed.
  void Remove(int slot) {
    const std::unique_ptr<Sequence> gone = std::move(sequences_[static_cast<size_t>(slot)]);
    ledger_.GiveBack(slot, gone->cache_bytes());
  }

  // As SlotLedger::SetCapacity.
  void SetCapacity(int64_t bytes) { ledger_.SetCapacity(bytes); }
  CacheUsage usage() const { return ledger_.usage(); }

 private:
  SlotLedger ledger_;
  std::vector<std::unique_ptr<Sequence>> sequences_;  // [max_slots], null where free
};

}  // namespace strided

#endif  // STRIDED_ENGINE_CACHE_SLOT_TABLE_H_
