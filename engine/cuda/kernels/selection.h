// Selects the first elements of an order, by weight, without sorting.
//
// The order is (key ascending, index ascending). A radix selection: the weight of each value of the
// keys' top digit, the digit in which the running weight passes the limit, then the same with the
// next digit among the elements that share it; ties go by index. Three passes over the elements
// for the digits (11, 11 and 10 bits), one for the ties.

#ifndef STRIDED_ENGINE_CUDA_KERNELS_SELECTION_H_
#define STRIDED_ENGINE_CUDA_KERNELS_SELECTION_H_

#include <bit>
#include <cstdint>
#include <limits>

#include "engine/cuda/kernels/block.h"
#include "engine/cuda/kernels/running_mass.h"

namespace strided::cuda {

// The last element that is selected.
struct Cut {
  uint32_t key = std::numeric_limits<uint32_t>::max();
  int index = std::numeric_limits<int>::max();

  constexpr bool Keeps(uint32_t its_key, int its_index) const {
    return its_key < key || (its_key == key && its_index <= index);
  }
};

// Keys in the order of the values, which -0 and 0 share; a NaN comes first, before -infinity.
constexpr uint32_t AscendingKey(float value) {
  constexpr uint32_t kSign = 0x80000000;
  if (value != value) return 0;
  const auto bits = std::bit_cast<uint32_t>(value + 0.0F);
  return (bits & kSign) != 0 ? ~bits : bits | kSign;
}
// The value of a key; -infinity for that of NaN.
constexpr float ValueOfKey(uint32_t key) {
  constexpr uint32_t kSign = 0x80000000;
  if (key == 0) return -std::numeric_limits<float>::infinity();
  return std::bit_cast<float>((key & kSign) != 0 ? key & ~kSign : ~key);
}
// Keys in the order of the magnitudes. Not a bit is wasted on the sign: the more elements differ in
// the top digit, the better.
constexpr uint32_t MagnitudeKey(float value) { return std::bit_cast<uint32_t>(value) << 1; }

// The element at which the running weight, in the order, first exceeds `limit`. `key` and `weight`
// map an index below `count`; weight 0: not an element. Requires limit < the sum of the weights.
template <typename Block, typename Key, typename Weight>
STRIDED_DEVICE Cut Select(Block& block, int count, Key key, Weight weight, Mass limit) {
  constexpr int kKeyBits = 32;
  uint32_t found = 0;  // the top digits
  int found_bits = 0;
  while (found_bits < kKeyBits) {
    const int bits = found_bits + kBinBits < kKeyBits ? kBinBits : kKeyBits - found_bits;
    const int shift = kKeyBits - found_bits - bits;
    block.Sync();  // the bins' last readers
    block.ClearBins();
    block.Sync();
    for (int i = FirstOf(block); i < count; i += StepOf(block)) {
      const auto prefix = static_cast<uint32_t>(uint64_t{key(i)} >> (shift + bits));
      if (prefix != found) continue;
      const Mass mass = weight(i);
      const uint32_t digit = (key(i) >> shift) & ((uint32_t{1} << bits) - 1);
      if (mass > 0) block.AddToBin(static_cast<int>(digit), mass);
    }
    block.Sync();
    const RunningMass digits(block, 1 << bits, [&block](int digit) { return block.Bin(digit); });
    const Passing passing = digits.Find(limit);
    found = found << bits | static_cast<uint32_t>(passing.index);
    limit = passing.left;
    found_bits += bits;
  }
  const RunningMass ties(block, count,
                         [=](int i) { return key(i) == found ? weight(i) : Mass{0}; });
  return {found, ties.Find(limit).index};
}

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_KERNELS_SELECTION_H_
