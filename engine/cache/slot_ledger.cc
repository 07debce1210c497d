#include "engine/cache/slot_ledger.h"

#include <algorithm>
#include <functional>

#include "absl/strings/str_cat.h"

namespace strided {

SlotLedger::SlotLedger(int max_slots, int64_t capacity_bytes) : max_slots_(max_slots) {
  for (int slot = max_slots - 1; slot >= 0; --slot) free_.push_back(slot);
  usage_.capacity_bytes = capacity_bytes;
}

absl::Status SlotLedger::CheckRoom(int64_t bytes) const {
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
    return absl::ResourceExhaustedError(absl::StrCat("all ", max_slots_, " slots are in use"));
  }
  return absl::OkStatus();
}

int SlotLedger::Take(int64_t bytes) {
  const int slot = free_.back();
  free_.pop_back();
  absl::MutexLock lock(&mu_);
  usage_.used_bytes += bytes;
  ++usage_.slots_in_use;
  return slot;
}

void SlotLedger::GiveBack(int slot, int64_t bytes) {
  const auto place = std::lower_bound(free_.begin(), free_.end(), slot, std::greater<>());
  free_.insert(place, slot);
  absl::MutexLock lock(&mu_);
  usage_.used_bytes -= bytes;
  --usage_.slots_in_use;
}

void SlotLedger::SetCapacity(int64_t bytes) {
  absl::MutexLock lock(&mu_);
  usage_.capacity_bytes = bytes;
}

CacheUsage SlotLedger::usage() const {
  absl::MutexLock lock(&mu_);
  return usage_;
}

}  // namespace strided
