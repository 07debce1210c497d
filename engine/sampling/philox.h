// Random numbers as a function of a counter: no state, so that a draw can be repeated anywhere.
//
// Philox 4x32 with 10 rounds: Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as
// 1, 2, 3", section 4.3. Integers only, so every processor gives the same bits; constexpr, so
// that a device's compiler can take the same source. Thread-safe.

#ifndef STRIDED_ENGINE_SAMPLING_PHILOX_H_
#define STRIDED_ENGINE_SAMPLING_PHILOX_H_

#include <array>
#include <cstdint>

namespace strided {

using PhiloxCounter = std::array<uint32_t, 4>;
using PhiloxKey = std::array<uint32_t, 2>;

// The block of 128 random bits at `counter` of the sequence that `key` names.
constexpr PhiloxCounter Philox4x32(PhiloxCounter counter, PhiloxKey key) {
  // Table 2 of the paper: the multipliers, and the Weyl constants that step the key (the golden
  // ratio and the square root of 3, less 1).
  constexpr uint64_t kMultiplier0 = 0xD2511F53;
  constexpr uint64_t kMultiplier1 = 0xCD9E8D57;
  constexpr uint32_t kWeyl0 = 0x9E3779B9;
  constexpr uint32_t kWeyl1 = 0xBB67AE85;
  constexpr int kRounds = 10;
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t product0 = kMultiplier0 * counter[0];
    const uint64_t product1 = kMultiplier1 * counter[2];
    const auto high0 = static_cast<uint32_t>(product0 >> 32);
    const auto high1 = static_cast<uint32_t>(product1 >> 32);
    counter = {high1 ^ counter[1] ^ key[0], static_cast<uint32_t>(product1),
               high0 ^ counter[3] ^ key[1], static_cast<uint32_t>(product0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

// The 64 random bits that draw x(position) of one sample. The layout is part of the contract of
// equal bits on every device: key = (seed low, seed high), counter = (position, sample_index, 0,
// 0), result = word 0 + 2^32 * word 1. Requires position >= 0.
constexpr uint64_t DrawBits(uint64_t seed, uint32_t sample_index, int position) {
  const PhiloxCounter block =
      Philox4x32({static_cast<uint32_t>(position), sample_index, 0, 0},
                 {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
  return uint64_t{block[0]} | uint64_t{block[1]} << 32;
}

}  // namespace strided

#endif  // STRIDED_ENGINE_SAMPLING_PHILOX_H_
