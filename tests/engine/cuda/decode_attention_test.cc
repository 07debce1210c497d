// Decode attention against a plain computation in double.

#include "engine/cuda/kernels/decode_attention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/engine/cuda/attention_case.h"
#include "tests/engine/cuda/cuda_test.h"
#include "tests/engine/cuda/some_patterns.h"

namespace strided::cuda {
namespace {

using ::testing::Each;
using ::testing::IsNan;

struct Kind {
  Operand operand;
  bool int8_caches = false;
};
constexpr Kind kKinds[] = {{Operand::kFloat32},
                           {Operand::kFloat16},
                           {Operand::kBfloat16},
                           {Operand::kFloat16, true},
                           {Operand::kBfloat16, true}};
constexpr int kIdle = -1;

// Of averages of values around 1: the rounding of the result.
double LimitOf(Operand operand) {
  if (operand == Operand::kFloat32) return 1e-5;
  return operand == Operand::kFloat16 ? 6e-4 : 4e-3;
}

// Chunks of the longest query at `positions`.
int ChunksOf(const AttentionCase& one, const std::vector<int>& positions) {
  int keys = 1;
  for (const HeadRows& head : one.heads()) {
    for (const int position : positions) {
      if (position != kIdle) keys = std::max(keys, head.KeyCount(position));
    }
  }
  return (keys + kAttentionChunk - 1) / kAttentionChunk;
}

// [rows][head][d_value]: one row per position (or kIdle), each of a sequence of its own that holds
// what `one` holds at that position; int8 caches get its own key and value meanwhile. Rows that are
// idle give NaN: nothing is written. `blocks` share a query's chunks; 0: as many as the launch
// chooses.
std::vector<float> Attend(const AttentionCase& one, const std::vector<int>& positions, int chunks,
                          int blocks = 0) {
  const AttentionShape& shape = one.shape();
  const size_t rows = positions.size();
  const auto n_head = shape.heads.size();
  const auto d_value = static_cast<size_t>(shape.d_value);
  const auto heads = ToDevice(one.heads());
  const auto offsets = ToDevice(one.offsets());
  std::vector<DeviceBuffer<std::byte>> caches;
  std::vector<DeviceSequence> sequences(rows);
  std::vector<DecodeRow> states(rows);
  std::vector<float> queries;
  std::vector<std::byte> fresh;
  for (size_t r = 0; r < rows; ++r) {
    const int position = std::max(positions[r], 0);
    const std::vector<float> own = one.QueriesOf(position);
    queries.insert(queries.end(), own.begin(), own.end());
    const std::vector<std::byte> key = one.FreshOf(position);
    fresh.insert(fresh.end(), key.begin(), key.end());
    if (positions[r] == kIdle) continue;
    const size_t slot = rows - 1 - r;
    states[r].slot = static_cast<int32_t>(slot);
    states[r].position = position;
    caches.push_back(ToDevice(one.CacheAfter(shape.int8_caches ? position - 1 : position)));
    sequences[slot].cache = caches.back().data();
    sequences[slot].head_offsets = offsets.data();
    sequences[slot].max_length = shape.max_length;
  }
  const auto device_sequences = ToDevice(sequences);
  const auto device_states = ToDevice(states);
  const auto device_queries = ToDevice(queries);
  const auto device_fresh = ToDevice(fresh);
  const size_t bytes = rows * n_head * d_value * static_cast<size_t>(OperandBytes(shape.operand));
  const auto out = ToDevice(std::vector<std::byte>(bytes, std::byte{0xFF}));
  const size_t shares = rows * n_head * static_cast<size_t>(chunks);
  const auto partials = ToDevice(std::vector<float>(shares * (d_value + 2), NAN));
  const auto arrivals = ToDevice(std::vector<int32_t>(rows * n_head));

  DecodeAttention attention;
  attention.operand = shape.operand;
  attention.fresh = shape.int8_caches ? device_fresh.data() : nullptr;
  attention.queries = device_queries.data();
  attention.out = out.data();
  attention.row_states = device_states.data();
  attention.sequences = device_sequences.data();
  attention.heads = heads.data();
  attention.n_head = static_cast<int>(n_head);
  attention.d_key = shape.d_key;
  attention.d_value = shape.d_value;
  attention.scale = one.scale();
  attention.rows = static_cast<int>(rows);
  attention.chunks = chunks;
  attention.blocks = blocks;
  attention.partials = partials.data();
  attention.arrivals = arrivals.data();
  const absl::Status status = LaunchDecodeAttention(attention, kDefaultStream);
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_THAT(FromDevice(arrivals), Each(0)) << "counters are zero again";
  size_t busy = 0;
  for (const int position : positions) {
    if (position == kIdle) continue;
    EXPECT_TRUE(FromDevice(caches[busy++]) == one.CacheAfter(position)) << "at " << position;
  }
  return DecodeRows(FromDevice(out), one.mixed_width(), one.mixed_width(), shape.operand);
}

std::vector<float> Attend(const AttentionCase& one, const std::vector<int>& positions) {
  return Attend(one, positions, ChunksOf(one, positions));
}

void ExpectAsInDouble(const AttentionShape& shape, const std::vector<int>& positions) {
  const AttentionCase one(shape, 1);
  const std::vector<double> all = one.Expected();
  std::vector<double> expected;
  for (const int position : positions) {
    const auto row = all.begin() + std::ptrdiff_t{position} * one.mixed_width();
    expected.insert(expected.end(), row, row + one.mixed_width());
  }
  ExpectNear(Attend(one, positions), expected, LimitOf(shape.operand));
}

// What `blocks` that share a query give, against a block for each chunk.
void ExpectSameBits(const std::vector<float>& shared, const std::vector<float>& apart, int blocks) {
  ASSERT_EQ(shared.size(), apart.size());
  for (size_t i = 0; i < apart.size(); ++i) {
    if (std::isnan(apart[i]) && std::isnan(shared[i])) continue;  // idle
    ASSERT_EQ(shared[i], apart[i]) << blocks << " blocks, element " << i;
  }
}

std::string Describe(const Kind& kind) {
  return absl::StrCat("operand ", static_cast<int>(kind.operand), kind.int8_caches ? ", int8" : "");
}

std::string Describe(const AttentionPattern& pattern, const Kind& kind) {
  return absl::StrCat(PatternName(pattern.kind()), " w ", pattern.spec().window, " l ",
                      pattern.spec().stride, ", ", Describe(kind));
}

bool HaveInt8(int d_key, int d_value) {
  return d_key % 8 == 0 && d_value % 8 == 0 && std::max(d_key, d_value) <= 256;
}

// The first of a sequence, and about the ends of blocks and chunks.
std::vector<int> SomePositions() {
  return {0, 1, 6, 7, 62, 63, 64, 99, 100, 126, 127, 128, 129, 255, 256, 299, 300};
}

using DecodeAttentionTest = CudaTest;

TEST_F(DecodeAttentionTest, EveryPatternGivesTheResultsOfADouble) {
  for (const AttentionPattern& pattern : PatternsOfEveryKind({1, 7, 64, 100, 500})) {
    for (const Kind& kind : kKinds) {
      SCOPED_TRACE(Describe(pattern, kind));
      ExpectAsInDouble({{pattern}, 32, 32, 301, 333, kind.operand, kind.int8_caches},
                       SomePositions());
    }
  }
}

TEST_F(DecodeAttentionTest, HeadsMayBeOfAnyWidth) {
  struct Widths {
    int d_key;
    int d_value;
  };
  for (const Widths& widths :
       {Widths{4, 4}, Widths{8, 8}, Widths{16, 16}, Widths{24, 40}, Widths{32, 32}, Widths{64, 64},
        Widths{64, 128}, Widths{128, 64}, Widths{96, 96}, Widths{128, 128}, Widths{256, 256},
        Widths{8, 256}, Widths{256, 8}, Widths{7, 5}, Widths{64, 6}, Widths{300, 20},
        Widths{20, 300}}) {
    for (const Kind& kind : kKinds) {
      if (kind.int8_caches && !HaveInt8(widths.d_key, widths.d_value)) continue;
      SCOPED_TRACE(absl::StrCat(widths.d_key, " and ", widths.d_value, ", ", Describe(kind)));
      ExpectAsInDouble(
          {MixedHeads(), widths.d_key, widths.d_value, 150, 160, kind.operand, kind.int8_caches},
          {0, 11, 12, 60, 127, 128, 149});
    }
  }
}

TEST_F(DecodeAttentionTest, AQueryOfManyChunksCombinesThemAll) {
  const std::vector<AttentionPattern> heads = {
      PatternOf({.kind = PatternKind::kDense}),
      PatternOf({.kind = PatternKind::kLocal, .window = 1500})};
  for (const Kind& kind : kKinds) {
    ExpectAsInDouble({heads, 16, 24, 1700, 1700, kind.operand, kind.int8_caches},
                     {0, 511, 512, 1279, 1499, 1500, 1699});
  }
}

// 32 chunks, the most whose shares are combined one after the other, and more.
TEST_F(DecodeAttentionTest, AQueryOfSeveralStretchesOfChunksCombinesThemAllInOneOrder) {
  const std::vector<AttentionPattern> heads = {PatternOf({.kind = PatternKind::kDense})};
  const std::vector<int> positions = {0, 4095, 4096, kIdle, 4480};
  constexpr int kChunks = 36;
  for (const Kind& kind : kKinds) {
    SCOPED_TRACE(Describe(kind));
    const AttentionShape shape{heads, 16, 40, 4481, 4481, kind.operand, kind.int8_caches};
    ExpectAsInDouble(shape, {4095, 4096, 4480});
    const AttentionCase one(shape, 1);
    const std::vector<float> apart = Attend(one, positions, kChunks, kChunks);
    for (const int blocks : {1, 2, 7}) {
      ExpectSameBits(Attend(one, positions, kChunks, blocks), apart, blocks);
    }
  }
}

TEST_F(DecodeAttentionTest, BitsDoNotDependOnHowManyBlocksShareAQuery) {
  struct Widths {
    int d_key;
    int d_value;
  };
  for (const AttentionPattern& pattern : PatternsOfEveryKind({7, 64, 500})) {
    for (const Widths& widths : {Widths{8, 8}, Widths{24, 40}, Widths{32, 32}, Widths{64, 64},
                                 Widths{64, 128}, Widths{128, 128}, Widths{256, 256}}) {
      for (const bool int8_caches : {false, true}) {
        const Kind kind{Operand::kBfloat16, int8_caches};
        SCOPED_TRACE(absl::StrCat(Describe(pattern, kind), ", widths ", widths.d_key, " and ",
                                  widths.d_value));
        const AttentionCase one(
            {{pattern}, widths.d_key, widths.d_value, 701, 703, kind.operand, int8_caches}, 1);
        const std::vector<int> positions = {0, 127, 128, 300, kIdle, 511, 639, 700};
        constexpr int kChunks = 6;
        const std::vector<float> apart = Attend(one, positions, kChunks, kChunks);
        for (const int blocks : {1, 2, 3, 5}) {
          ExpectSameBits(Attend(one, positions, kChunks, blocks), apart, blocks);
        }
      }
    }
  }
}

// Many rows at the positions whose queries have one chunk, some of them idle.
std::vector<int> ManyPositionsOfOneChunk(const AttentionCase& one, size_t rows) {
  std::vector<int> all;
  for (int position = 0; position < one.shape().length; ++position) {
    if (ChunksOf(one, {position}) == 1) all.push_back(position);
  }
  std::vector<int> positions;
  for (size_t r = 0; r < rows; ++r) positions.push_back(r % 9 == 5 ? kIdle : all[r % all.size()]);
  return positions;
}

// Of many queries of one chunk the hardware copies the keys; with `blocks` given no kernel does.
void ExpectTheSameBitsOfCopiedKeys(const AttentionShape& shape) {
  const AttentionCase one(shape, 1);
  constexpr size_t kQueries = 400;  // enough for any device to choose two heads to a block
  const std::vector<int> positions = ManyPositionsOfOneChunk(one, kQueries / shape.heads.size());
  ExpectSameBits(Attend(one, positions, 1), Attend(one, positions, 1, /*blocks=*/1), 1);
}

TEST_F(DecodeAttentionTest, CopiedKeysOfEveryPatternGiveTheSameBits) {
  for (const AttentionPattern& pattern : PatternsOfEveryKind({7, 64, 100})) {
    for (const int heads : {1, 2}) {
      SCOPED_TRACE(absl::StrCat(Describe(pattern, {Operand::kBfloat16}), ", heads ", heads));
      ExpectTheSameBitsOfCopiedKeys(
          {std::vector<AttentionPattern>(static_cast<size_t>(heads), pattern), 32, 32, 140, 150});
    }
  }
}

TEST_F(DecodeAttentionTest, CopiedKeysOfEveryWidthGiveTheSameBits) {
  for (const Operand operand : {Operand::kFloat16, Operand::kBfloat16}) {
    for (const int width : {16, 32, 64}) {
      SCOPED_TRACE(absl::StrCat("width ", width, ", ", Describe({operand})));
      ExpectTheSameBitsOfCopiedKeys({MixedHeads(), width, width, 140, 150, operand});
    }
  }
}

TEST_F(DecodeAttentionTest, AQueryThatReadsNothingGivesZeros) {
  const std::vector<AttentionPattern> heads = {
      PatternOf({.kind = PatternKind::kPreviousBlock, .stride = 50}),
      PatternOf({.kind = PatternKind::kSummary, .stride = 50, .cells = 2, .spread = 1})};
  for (const Kind& kind : kKinds) {
    for (const int width : {32, kind.int8_caches ? 8 : 5}) {
      const AttentionCase one({heads, width, width, 50, 100, kind.operand, kind.int8_caches}, 1);
      EXPECT_THAT(Attend(one, {0, 20, 47}), Each(0.0F)) << Describe(kind);
    }
  }
}

TEST_F(DecodeAttentionTest, IdleRowsAreLeftAlone) {
  for (const Kind& kind : kKinds) {
    for (const int width : {32, kind.int8_caches ? 8 : 5}) {
      const AttentionCase one(
          {MixedHeads(), width, width, 200, 200, kind.operand, kind.int8_caches}, 1);
      const std::vector<float> busy = Attend(one, {199, 3});
      const std::vector<float> all = Attend(one, {kIdle, 199, kIdle, kIdle, 3, kIdle});
      const auto row = [&](const std::vector<float>& results, int r) {
        const auto begin = results.begin() + std::ptrdiff_t{r} * one.mixed_width();
        return std::vector<float>(begin, begin + one.mixed_width());
      };
      EXPECT_EQ(row(all, 1), row(busy, 0));
      EXPECT_EQ(row(all, 4), row(busy, 1));
      for (const int idle : {0, 2, 3, 5}) EXPECT_THAT(row(all, idle), Each(IsNan()));
    }
  }
}

// A step's graph is made for more keys than some of its queries read.
TEST_F(DecodeAttentionTest, BitsDependNeitherOnCompanyNorOnChunksNorOnTheLongestLength) {
  for (const AttentionPattern& pattern : PatternsOfEveryKind({7, 64, 500})) {
    for (const Kind& kind : kKinds) {
      SCOPED_TRACE(Describe(pattern, kind));
      const AttentionCase one({{pattern}, 64, 128, 301, 333, kind.operand, kind.int8_caches}, 1);
      const AttentionCase longer({{pattern}, 64, 128, 301, 777, kind.operand, kind.int8_caches}, 1);
      const std::vector<int> positions = {5, 126, 127, 128, 300};
      const std::vector<float> together = Attend(one, positions, 3);
      EXPECT_EQ(Attend(one, positions, 7), together);
      EXPECT_EQ(Attend(longer, positions, 3), together);
      for (size_t r = 0; r < positions.size(); ++r) {
        const auto begin = together.begin() + static_cast<std::ptrdiff_t>(r) * one.mixed_width();
        EXPECT_EQ(Attend(one, {positions[r]}), std::vector<float>(begin, begin + one.mixed_width()))
            << "position " << positions[r];
      }
    }
  }
}

}  // namespace
}  // namespace strided::cuda
