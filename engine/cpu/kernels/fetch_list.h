// Memory that a thread will read soon, to be brought near while its kernels compute.
//
// A core asks for memory only as far ahead as its hardware guesses, and not at all while it
// multiplies from its caches. So kernels ask for the lines of a list in between, a few for each
// round of their inner loop: they arrive in the second cache, or, pushed out of it, wait in the
// last one. So do threads that wait for others.

#ifndef STRIDED_ENGINE_CPU_KERNELS_FETCH_LIST_H_
#define STRIDED_ENGINE_CPU_KERNELS_FETCH_LIST_H_

#include <cstddef>
#include <limits>
#include <vector>

namespace strided {

// Not owned, only ever prefetched; may be empty.
struct Stretch {
  const std::byte* first = nullptr;
  size_t bytes = 0;
};

// Stretches in the order in which they will be read, given out front to back. Used by one thread;
// only the constructor allocates.
class FetchList {
 public:
  // Holds at most `capacity` stretches.
  explicit FetchList(size_t capacity) { stretches_.reserve(capacity); }

  // Forgets all stretches and the limit.
  void Clear() {
    stretches_.clear();
    next_ = offset_ = 0;
    Unlimit();
  }
  // Requires fewer than `capacity` stretches since Clear.
  void Add(const Stretch& stretch) { stretches_.push_back(stretch); }
  // From now on gives out at most so many bytes.
  void Limit(size_t bytes) { left_ = bytes; }
  void Unlimit() { left_ = std::numeric_limits<size_t>::max(); }
  // Goes on with the start of the stretch that was added as number `stretch`, counted from 0;
  // with nothing where there is none.
  void GoTo(size_t stretch) {
    next_ = stretch;
    offset_ = 0;
  }

  // The next `bytes` to be asked for; null where none are left or the limit is reached. Within one
  // stretch, but for its last piece, which may reach past its end by less than `bytes`: so pieces
  // should be small beside stretches.
  const std::byte* Take(size_t bytes) {
    while (next_ < stretches_.size() && offset_ >= stretches_[next_].bytes) {
      ++next_;
      offset_ = 0;
    }
    if (next_ == stretches_.size() || left_ < bytes) return nullptr;
    const std::byte* const piece = stretches_[next_].first + offset_;
    offset_ += bytes;
    left_ -= bytes;
    return piece;
  }

  // Asks for the next `bytes`; false where there are none.
  bool Fetch(size_t bytes) {
    const std::byte* const piece = Take(bytes);
    if (piece == nullptr) return false;
    for (size_t line = 0; line < bytes; line += 64) __builtin_prefetch(piece + line, 0, 2);
    return true;
  }

 private:
  std::vector<Stretch> stretches_;
  size_t next_ = 0;                                   // the stretch to go on with
  size_t offset_ = 0;                                 // bytes of it that were given out
  size_t left_ = std::numeric_limits<size_t>::max();  // bytes up to the limit
};

}  // namespace strided

#endif  // STRIDED_ENGINE_CPU_KERNELS_FETCH_LIST_H_
