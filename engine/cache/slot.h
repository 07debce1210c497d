// A sequence's place in an executor: its caches and its sampler state.

#ifndef STRIDED_ENGINE_CACHE_SLOT_H_
#define STRIDED_ENGINE_CACHE_SLOT_H_

#include <utility>

namespace strided {

// Gives out slots and takes them back.
class SlotOwner {
 public:
  // Called once for each slot, from the thread that destroys it. Must not fail or throw: it is how
  // every sequence ends, well or not.
  virtual void ReleaseSlot(int index) = 0;

 protected:
  ~SlotOwner() = default;
};

// Owns one slot; its destruction is the only way to free it. Must not outlive its owner. Move
// only; not thread-safe.
class Slot {
 public:
  // For owners: slot `index` of `owner`, which counts it as in use from now on.
  Slot(SlotOwner* owner, int index) : owner_(owner), index_(index) {}
  // What is moved from owns nothing, and gives nothing back.
  Slot(Slot&& other) noexcept
      : owner_(std::exchange(other.owner_, nullptr)), index_(other.index_) {}
  Slot& operator=(Slot&& other) noexcept {
    std::swap(owner_, other.owner_);
    std::swap(index_, other.index_);
    return *this;
  }
  ~Slot() {
    if (owner_ != nullptr) owner_->ReleaseSlot(index_);
  }

  // Dense, from 0; a freed index is used again.
  int index() const { return index_; }

 private:
  SlotOwner* owner_;  // not owned; null after a move
  int index_;
};

}  // namespace strided

#endif  // STRIDED_ENGINE_CACHE_SLOT_H_
