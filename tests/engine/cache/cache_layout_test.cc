#include "engine/cache/cache_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/cache/cache_bytes.h"

namespace strided {
namespace {

using Spec = AttentionPattern::Spec;

AttentionPattern Pattern(const Spec& spec) {
  absl::StatusOr<AttentionPattern> pattern = AttentionPattern::Create(spec);
  EXPECT_TRUE(pattern.ok()) << pattern.status();
  return *pattern;
}

std::string Describe(const AttentionPattern& pattern, int length) {
  const Spec& s = pattern.spec();
  return absl::StrCat(PatternName(s.kind), " window ", s.window, " stride ", s.stride, " cells ",
                      s.cells, " spread ", s.spread, " head ", s.head, " length ", length);
}

// Every kind, with strides that divide the length and that do not, and summaries of every head.
std::vector<AttentionPattern> Patterns() {
  std::vector<AttentionPattern> patterns = {Pattern({.kind = PatternKind::kDense})};
  for (const int l : {1, 2, 4, 5, 7, 16, 40}) {
    patterns.push_back(Pattern({.kind = PatternKind::kLocal, .window = l}));
    for (const PatternKind kind : {PatternKind::kStrided, PatternKind::kLocalStrided,
                                   PatternKind::kBlock, PatternKind::kPreviousBlock}) {
      patterns.push_back(Pattern({.kind = kind, .stride = l}));
    }
    for (const PatternKind kind : {PatternKind::kSummary, PatternKind::kFixed}) {
      for (int cells = 1; cells <= l; cells += 2) {
        for (int head = 0; head < l / cells; ++head) {
          patterns.push_back(Pattern({kind, 0, l, cells, l / cells, head}));
        }
      }
    }
  }
  return patterns;
}

constexpr int kLengths[] = {1, 2, 3, 9, 16, 23, 33, 48};

std::vector<CacheStrip> Strips(const CacheLayout& layout, int query) {
  std::vector<CacheStrip> space(static_cast<size_t>(layout.max_strips()));
  const auto strips = layout.StripsOf(query, space);
  return {strips.begin(), strips.end()};
}

// The rows of a head as a sequence fills them: which position each holds.
class Rows {
 public:
  explicit Rows(const CacheLayout& layout)
      : layout_(layout), holds_(static_cast<size_t>(layout.rows()), -1) {}

  void Write(int position) {
    for (const CacheHome& home : layout_.HomesOf(position)) {
      holds_.at(static_cast<size_t>(home.row)) = position;
    }
  }
  std::vector<int> Read(int query) const {
    std::vector<int> positions;
    for (const CacheStrip& strip : Strips(layout_, query)) {
      for (int row = strip.first; row < strip.first + strip.count; ++row) {
        positions.push_back(holds_.at(static_cast<size_t>(row)));
      }
    }
    return positions;
  }

 private:
  const CacheLayout& layout_;
  std::vector<int> holds_;
};

TEST(CacheLayoutTest, EveryQueryReadsExactlyThePositionsOfItsPattern) {
  for (const AttentionPattern& pattern : Patterns()) {
    for (const int length : kLengths) {
      const CacheLayout layout(pattern, length);
      Rows rows(layout);
      for (int t = 0; t < length; ++t) {
        rows.Write(t);
        std::vector<int> read = rows.Read(t);
        ASSERT_LE(read.size(), static_cast<size_t>(layout.max_keys()))
            << Describe(pattern, length) << " query " << t;
        std::sort(read.begin(), read.end());
        ASSERT_EQ(read, pattern.KeysOf(t)) << Describe(pattern, length) << " query " << t;
      }
    }
  }
}

TEST(CacheLayoutTest, TheOrderOfReadingDoesNotDependOnTheLongestLength) {
  for (const AttentionPattern& pattern : Patterns()) {
    std::map<int, std::vector<int>> order;  // by query, in the longest sequence
    for (int n = 48; n >= 1; --n) {
      const CacheLayout layout(pattern, n);
      Rows rows(layout);
      for (int t = 0; t < n; ++t) {
        rows.Write(t);
        const std::vector<int> read = rows.Read(t);
        ASSERT_EQ(order.try_emplace(t, read).first->second, read)
            << Describe(pattern, n) << " query " << t;
      }
    }
  }
}

TEST(CacheLayoutTest, ARowIsNeededExactlyAsLongAsThePatternKeepsItsPosition) {
  for (const AttentionPattern& pattern : Patterns()) {
    for (const int length : kLengths) {
      const CacheLayout layout(pattern, length);
      for (int t = 0; t < length; ++t) {
        for (int key = 0; key <= t; ++key) {
          int last_reader = -1;
          for (const CacheHome& home : layout.HomesOf(key)) {
            last_reader = std::max(last_reader, home.last_reader);
          }
          ASSERT_EQ(last_reader > t, pattern.KeptAfter(key, t, length))
              << Describe(pattern, length) << " key " << key << " after " << t;
        }
      }
    }
  }
}

TEST(CacheLayoutTest, NoRowIsReadAfterItsLastReader) {
  for (const AttentionPattern& pattern : Patterns()) {
    for (const int length : kLengths) {
      const CacheLayout layout(pattern, length);
      std::vector<int> last_reader(static_cast<size_t>(layout.rows()), -1);
      for (int t = 0; t < length; ++t) {
        for (const CacheHome& home : layout.HomesOf(t)) {
          int& last = last_reader[static_cast<size_t>(home.row)];
          ASSERT_LT(last, t) << Describe(pattern, length) << ": position " << t
                             << " overwrites a row that is still read";
          last = home.last_reader;
        }
        for (const CacheStrip& strip : Strips(layout, t)) {
          for (int row = strip.first; row < strip.first + strip.count; ++row) {
            ASSERT_GE(last_reader[static_cast<size_t>(row)], t)
                << Describe(pattern, length) << " row " << row << " query " << t;
          }
        }
      }
    }
  }
}

TEST(CacheLayoutTest, RowsFollowTheTableOfTheModelFormat) {
  const int l = 6;
  const int c = 2;
  for (const int n : {1, 3, 6, 7, 12, 25, 60}) {
    const auto rows = [n](const Spec& spec) { return CacheLayout(Pattern(spec), n).rows(); };
    const int cells = c * ((n + l - 1) / l);
    EXPECT_EQ(rows({.kind = PatternKind::kDense}), n);
    EXPECT_EQ(rows({.kind = PatternKind::kLocal, .window = l}), std::min(l, n));
    EXPECT_EQ(rows({.kind = PatternKind::kStrided, .stride = l}), n);
    EXPECT_EQ(rows({.kind = PatternKind::kLocalStrided, .stride = l}), n);
    EXPECT_EQ(rows({.kind = PatternKind::kBlock, .stride = l}), std::min(l, n));
    EXPECT_EQ(rows({PatternKind::kSummary, 0, l, c, 3, 1}), std::min(cells, n));
    EXPECT_EQ(rows({PatternKind::kFixed, 0, l, c, 3, 1}), std::min(cells + l, n));
    EXPECT_EQ(rows({.kind = PatternKind::kPreviousBlock, .stride = l}), std::min(2 * l, n));
  }
}

TEST(CacheLayoutTest, AStridedStepReadsOneStrip) {
  const CacheLayout layout(Pattern({.kind = PatternKind::kStrided, .stride = 7}), 40);
  for (int t = 0; t < 40; ++t) EXPECT_EQ(Strips(layout, t).size(), 1u) << "query " << t;
}

TEST(CacheLayoutTest, AShorterSequenceNeedsNoMoreStripsOrKeys) {
  for (const AttentionPattern& pattern : Patterns()) {
    const CacheLayout longest(pattern, 48);
    for (int n = 1; n < 48; ++n) {
      EXPECT_LE(CacheLayout(pattern, n).max_strips(), longest.max_strips()) << Describe(pattern, n);
      EXPECT_LE(CacheLayout(pattern, n).max_keys(), longest.max_keys()) << Describe(pattern, n);
    }
  }
}

ModelConfig Network(int layers, int heads, int d_key, int d_value) {
  ModelConfig config;
  config.n_layer = layers;
  config.n_head = heads;
  config.d_key = d_key;
  config.d_value = d_value;
  return config;
}

// The figures of model-format's table, in bytes of bfloat16.
TEST(CacheBytesTest, TheReleasedCifarNetworkTakes78MiBAnd288IfDense) {
  ModelConfig config = Network(128, 2, 64, 128);
  for (int layer = 0; layer < 128; ++layer) {
    const AttentionPattern pattern = layer % 4 == 0
                                         ? Pattern({.kind = PatternKind::kStrided, .stride = 96})
                                         : Pattern({.kind = PatternKind::kLocal, .window = 96});
    config.attention.push_back({pattern, pattern});
  }
  EXPECT_EQ(SequenceCacheBytes(config, 3072, 2), int64_t{315} << 18);  // 78.75 MiB
  EXPECT_EQ(DenseCacheBytes(config, 3072, 2), int64_t{288} << 20);
}

TEST(CacheBytesTest, TheEnwik8NetworkTakes187MiBAnd720IfDense) {
  ModelConfig config = Network(30, 8, 64, 64);
  for (int layer = 0; layer < 30; ++layer) {
    config.attention.emplace_back();
    for (int head = 0; head < 8; ++head) {
      config.attention.back().push_back(Pattern({PatternKind::kFixed, 0, 128, 32, 4, head}));
    }
  }
  EXPECT_EQ(SequenceCacheBytes(config, 12288, 2), int64_t{375} << 19);  // 187.5 MiB
  EXPECT_EQ(DenseCacheBytes(config, 12288, 2), int64_t{720} << 20);
  // 128 elements of a byte and two scales, instead of 256 bytes.
  EXPECT_EQ(SequenceCacheBytes(config, 12288, 1), (int64_t{375} << 19) / 256 * 136);
}

TEST(CacheBytesTest, ElementsFollowTheWeightFormat) {
  EXPECT_EQ(CacheElementBytes("float32"), 4);
  EXPECT_EQ(CacheElementBytes("bfloat16"), 2);
  EXPECT_EQ(CacheElementBytes("float16"), 2);
  EXPECT_EQ(CacheElementBytes("int8"), 1);
}

}  // namespace
}  // namespace strided
