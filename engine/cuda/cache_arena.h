// Which parts of one block of device memory the sequences' caches take. Arithmetic only.

#ifndef STRIDED_ENGINE_CUDA_CACHE_ARENA_H_
#define STRIDED_ENGINE_CUDA_CACHE_ARENA_H_

#include <cstdint>
#include <map>
#include <optional>

namespace strided::cuda {

// First fit over offsets; free neighbours are joined. Not thread-safe.
class CacheArena {
 public:
  // What is given out starts at multiples of it, and takes multiples of it.
  static constexpr int64_t kAlignment = 256;  // bytes
  static constexpr int64_t Rounded(int64_t bytes) {
    return (bytes + kAlignment - 1) / kAlignment * kAlignment;
  }

  // Requires size >= 0, bytes.
  explicit CacheArena(int64_t size);

  // The offset of `bytes` that nobody else has; none where no free part is large enough, which can
  // be although the free parts together are. Requires bytes >= 1.
  std::optional<int64_t> Take(int64_t bytes);
  // Requires an offset that Take gave out.
  void GiveBack(int64_t offset);

  // Bytes that nobody has, and those of the largest part of them that stand together.
  int64_t free_bytes() const;
  int64_t largest_free_part() const;

 private:
  std::map<int64_t, int64_t> free_;   // offset -> bytes
  std::map<int64_t, int64_t> taken_;  // offset -> bytes
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_CACHE_ARENA_H_
