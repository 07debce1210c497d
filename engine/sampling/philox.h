// Random numbers as a function of a counter: no state, so that a draw can be repeated anywhere.
//
// Philox 4x32 with 10 rounds: Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as
// 1, 2, 3", section 4.3. Integers only, so every processor gives the same bits. Thread-safe.

#ifndef STRIDED_ENGINE_SAMPLING_PHILOX_H_
#define STRIDED_ENGINE_SAMPLING_PHILOX_H_

#include <array>
#include <cstdint>

namespace strided {

using PhiloxCounter = std::array<uint32_t, 4>;
using PhiloxKey = std::array<uint32_t, 2>;

// The block of 128 random bits at `counter` of the sequence that `key` names.
PhiloxCounter Philox4x32(PhiloxCounter counter, PhiloxKey key);

// The 64 random bits that draw x(position) of one sample. The layout is part of the contract of
// equal bits on every device: key = (seed low, seed high), counter = (position, sample_index, 0,
// 0), result = word 0 + 2^32 * word 1. Requires position >= 0.
uint64_t DrawBits(uint64_t seed, uint32_t sample_index, int position);

}  // namespace strided

#endif  // STRIDED_ENGINE_SAMPLING_PHILOX_H_
