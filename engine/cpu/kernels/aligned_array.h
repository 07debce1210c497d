// An array for vector code: aligned, fixed in size, not initialised.

#ifndef STRIDED_ENGINE_CPU_KERNELS_ALIGNED_ARRAY_H_
#define STRIDED_ENGINE_CPU_KERNELS_ALIGNED_ARRAY_H_

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <type_traits>

namespace strided {

// Owns `size()` elements at an address that is a multiple of a cache line; large arrays, of a huge
// page, which they ask the kernel for. 64 bytes past the end may be read, for vectors that overlap
// it. Move only.
template <typename T>
class AlignedArray {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  AlignedArray() = default;

  // An array that is null() where memory does not suffice. Elements are not initialised.
  static AlignedArray Allocate(size_t size) {
    constexpr size_t kHugePage = size_t{2} << 20;
    const size_t alignment = size * sizeof(T) >= 2 * kHugePage ? kHugePage : kLine;
    const size_t bytes = (size * sizeof(T) + kLine + alignment - 1) / alignment * alignment;
    AlignedArray array;
    array.elements_.reset(static_cast<T*>(std::aligned_alloc(alignment, bytes)));
    if (array.elements_ == nullptr) return array;
    if (alignment == kHugePage) madvise(array.elements_.get(), bytes, MADV_HUGEPAGE);
    array.size_ = size;
    return array;
  }

  // All bytes zero; null() as above.
  static AlignedArray Zeros(size_t size) {
    AlignedArray array = Allocate(size);
    if (!array.null()) std::memset(array.data(), 0, size * sizeof(T));
    return array;
  }

  // Whether it holds no memory: made by default, moved from, or not to be had.
  bool null() const { return elements_ == nullptr; }
  size_t size() const { return size_; }
  T* data() { return elements_.get(); }
  const T* data() const { return elements_.get(); }
  std::span<T> span() { return {data(), size_}; }
  std::span<const T> span() const { return {data(), size_}; }
  // Requires i < size().
  T& operator[](size_t i) { return elements_.get()[i]; }
  const T& operator[](size_t i) const { return elements_.get()[i]; }

 private:
  static constexpr size_t kLine = 64;
  struct Free {
    void operator()(T* elements) const { std::free(elements); }
  };
  std::unique_ptr<T, Free> elements_;
  size_t size_ = 0;
};

}  // namespace strided

#endif  // STRIDED_ENGINE_CPU_KERNELS_ALIGNED_ARRAY_H_
