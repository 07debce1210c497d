#include "engine/cpu/slot_table.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace strided {

SlotTable::SlotTable(int max_slots, int64_t capacity_bytes)
    : sequences_(static_cast<size_t>(max_slots)) {
  for (int slot = max_slots - 1; slot >= 0; --slot) free_.push_back(slot);
  usage_.capacity_bytes = capacity_bytes;
}

absl::Status SlotTable::CheckRoom(int64_t bytes) const {
  const CacheUsage now = usage();
  if (bytes > now.capacity_bytes) {
    return absl::InvalidArgumentError(absl::StrCat("the sequence takes ", bytes,
                                                   " cache bytes; the device has ",
                                                   now.capacity_bytes, " in all"));
  }
  if (bytes > now.capacity_bytes - now.used_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat("the sequence takes ", bytes,
                                                     " cache bytes; of ", now.capacity_bytes, ", ",
                                                     now.used_bytes, " are in use"));
  }
  if (free_.empty()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("all ", sequences_.size(), " slots are in use"));
  }
  return absl::OkStatus();
}

int SlotTable::Add(std::unique_ptr<Sequence> sequence) {
  const int slot = free_.back();
  free_.pop_back();
  {
    absl::MutexLock lock(&mu_);
    usage_.used_bytes += sequence->cache.bytes();
    ++usage_.slots_in_use;
  }
  sequences_[static_cast<size_t>(slot)] = std::move(sequence);
  return slot;
}

Sequence* SlotTable::Find(int slot) {
  if (slot < 0 || static_cast<size_t>(slot) >= sequences_.size()) return nullptr;
  return sequences_[static_cast<size_t>(slot)].get();
}

void SlotTable::Remove(int slot) {
  std::unique_ptr<Sequence>& sequence = sequences_[static_cast<size_t>(slot)];
  {
    absl::MutexLock lock(&mu_);
    usage_.used_bytes -= sequence->cache.bytes();
    --usage_.slots_in_use;
  }
  sequence.reset();
  free_.push_back(slot);
}

CacheUsage SlotTable::usage() const {
  absl::MutexLock lock(&mu_);
  return usage_;
}

}  // namespace strided
