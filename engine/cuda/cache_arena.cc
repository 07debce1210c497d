#include "engine/cuda/cache_arena.h"

#include <algorithm>
#include <iterator>

namespace strided::cuda {

CacheArena::CacheArena(int64_t size) {
  if (size > 0) free_.emplace(0, size);
}

std::optional<int64_t> CacheArena::Take(int64_t bytes) {
  const int64_t rounded = Rounded(bytes);
  for (auto part = free_.begin(); part != free_.end(); ++part) {
    const auto [offset, size] = *part;
    if (size < rounded) continue;
    free_.erase(part);
    if (size > rounded) free_.emplace(offset + rounded, size - rounded);
    taken_.emplace(offset, rounded);
    return offset;
  }
  return std::nullopt;
}

void CacheArena::GiveBack(int64_t offset) {
  const auto taken = taken_.find(offset);
  auto part = free_.emplace(offset, taken->second).first;
  taken_.erase(taken);
  const auto next = std::next(part);
  if (next != free_.end() && part->first + part->second == next->first) {
    part->second += next->second;
    free_.erase(next);
  }
  if (part == free_.begin()) return;
  const auto before = std::prev(part);
  if (before->first + before->second == part->first) {
    before->second += part->second;
    free_.erase(part);
  }
}

int64_t CacheArena::free_bytes() const {
  int64_t bytes = 0;
  for (const auto& [offset, size] : free_) bytes += size;
  return bytes;
}

int64_t CacheArena::largest_free_part() const {
  int64_t largest = 0;
  for (const auto& [offset, size] : free_) largest = std::max(largest, size);
  return largest;
}

}  // namespace strided::cuda
