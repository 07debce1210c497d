#include "engine/sampling/philox.h"

namespace strided {
namespace {

// Table 2 of the paper: the multipliers, and the Weyl constants that step the key (the golden ratio
// and the square root of 3, less 1).
constexpr uint64_t kMultiplier0 = 0xD2511F53;
constexpr uint64_t kMultiplier1 = 0xCD9E8D57;
constexpr uint32_t kWeyl0 = 0x9E3779B9;
constexpr uint32_t kWeyl1 = 0xBB67AE85;
constexpr int kRounds = 10;

uint32_t LowWord(uint64_t value) { return static_cast<uint32_t>(value); }
uint32_t HighWord(uint64_t value) { return static_cast<uint32_t>(value >> 32); }

}  // namespace

PhiloxCounter Philox4x32(PhiloxCounter counter, PhiloxKey key) {
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t product0 = kMultiplier0 * counter[0];
    const uint64_t product1 = kMultiplier1 * counter[2];
    counter = {HighWord(product1) ^ counter[1] ^ key[0], LowWord(product1),
               HighWord(product0) ^ counter[3] ^ key[1], LowWord(product0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return counter;
}

uint64_t DrawBits(uint64_t seed, uint32_t sample_index, int position) {
  const PhiloxCounter block = Philox4x32({static_cast<uint32_t>(position), sample_index, 0, 0},
                                         {LowWord(seed), HighWord(seed)});
  return uint64_t{block[0]} | uint64_t{block[1]} << 32;
}

}  // namespace strided
