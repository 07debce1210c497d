#include "engine/model/attention_pattern.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

AttentionPattern Make(const AttentionPattern::Spec& spec) {
  absl::StatusOr<AttentionPattern> pattern = AttentionPattern::Create(spec);
  EXPECT_OK(pattern);
  return *pattern;
}

// A case of patterns.json: for one head, what each query reads and what is kept after it, found by
// brute force from the definitions.
struct PatternCase {
  std::string label;
  AttentionPattern pattern;
  int length;
  std::vector<std::vector<int>> reads;
  std::vector<std::vector<int>> kept;
};

std::vector<PatternCase> PatternCases() {
  std::ifstream file("tests/engine/model/patterns.json");
  std::vector<PatternCase> cases;
  for (const nlohmann::json& entry : nlohmann::json::parse(file)) {
    const nlohmann::json& pattern = entry["pattern"];
    const absl::StatusOr<PatternKind> kind =
        PatternKindFromName(pattern["pattern"].get<std::string>());
    EXPECT_OK(kind);
    cases.push_back({.label = pattern.dump() + " head " + entry["head"].dump() + " length " +
                              entry["length"].dump(),
                     .pattern = Make({.kind = *kind,
                                      .window = pattern.value("window", 0),
                                      .stride = pattern.value("stride", 0),
                                      .cells = pattern.value("cells", 0),
                                      .spread = pattern.value("spread", 0),
                                      .head = entry["head"]}),
                     .length = entry["length"],
                     .reads = entry["reads"],
                     .kept = entry["kept"]});
  }
  return cases;
}

TEST(AttentionPatternTest, TheVectorsHaveAllCases) { EXPECT_EQ(PatternCases().size(), 112u); }

TEST(AttentionPatternTest, KeysAreThoseOfTheVectors) {
  for (const PatternCase& c : PatternCases()) {
    for (int query = 0; query < c.length; ++query) {
      EXPECT_THAT(c.pattern.KeysOf(query), ElementsAreArray(c.reads[static_cast<size_t>(query)]))
          << c.label << " query " << query;
    }
  }
}

TEST(AttentionPatternTest, AttendsAgreesWithTheVectors) {
  for (const PatternCase& c : PatternCases()) {
    for (int query = 0; query < c.length; ++query) {
      std::vector<int> keys;
      for (int key = 0; key <= query; ++key) {
        if (c.pattern.Attends(query, key)) keys.push_back(key);
      }
      EXPECT_EQ(keys, c.reads[static_cast<size_t>(query)]) << c.label << " query " << query;
    }
  }
}

TEST(AttentionPatternTest, WhatIsKeptAgreesWithTheVectors) {
  for (const PatternCase& c : PatternCases()) {
    for (int step = 0; step < c.length; ++step) {
      std::vector<int> keys;
      for (int key = 0; key <= step; ++key) {
        if (c.pattern.KeptAfter(key, step, c.length)) keys.push_back(key);
      }
      EXPECT_EQ(keys, c.kept[static_cast<size_t>(step)]) << c.label << " step " << step;
    }
  }
}

TEST(AttentionPatternTest, SummaryCellsOfLaterHeadsStandEarlierInTheBlock) {
  const AttentionPattern::Spec spec = {
      .kind = PatternKind::kSummary, .stride = 128, .cells = 32, .spread = 4};
  std::vector<int> offsets;
  for (int head = 0; head < 5; ++head) {
    AttentionPattern::Spec of_head = spec;
    of_head.head = head;
    offsets.push_back(Make(of_head).summary_offset());
  }
  EXPECT_THAT(offsets, ElementsAre(96, 64, 32, 0, 96));
}

TEST(AttentionPatternTest, TheLargestSpansDoNotOverflow) {
  const int last = kMaxPatternSpan - 1;
  const AttentionPattern block = Make({.kind = PatternKind::kPreviousBlock, .stride = 1 << 25});
  EXPECT_EQ(block.KeysOf(last).size(), size_t{1} << 25);
  EXPECT_FALSE(block.KeptAfter(last, last, kMaxPatternSpan));
  const AttentionPattern strided = Make({.kind = PatternKind::kStrided, .stride = kMaxPatternSpan});
  EXPECT_THAT(strided.KeysOf(last), ElementsAre(last));
  EXPECT_FALSE(strided.KeptAfter(0, last - 1, kMaxPatternSpan));
}

TEST(AttentionPatternTest, NamesAndKindsMapBothWays) {
  for (const char* name : {"dense", "local", "strided", "local_strided", "block", "summary",
                           "fixed", "previous_block"}) {
    ASSERT_OK_AND_ASSIGN(const PatternKind kind, PatternKindFromName(name));
    EXPECT_EQ(PatternName(kind), name);
  }
}

TEST(AttentionPatternTest, AnUnknownNameIsAnsweredWithTheList) {
  EXPECT_THAT(PatternKindFromName("banded"),
              StatusIs(kInvalid,
                       "pattern is \"banded\"; expected one of dense, local, strided, "
                       "local_strided, block, summary, fixed, previous_block"));
}

TEST(AttentionPatternTest, EveryBadParameterIsNamedWithItsValueAndLimit) {
  struct {
    AttentionPattern::Spec spec;
    std::string text;
  } const cases[] = {
      {{.kind = PatternKind::kLocal}, "window is missing; expected an integer from 1 to 67108864"},
      {{.kind = PatternKind::kLocal, .window = -3},
       "window is -3; expected an integer from 1 to 67108864"},
      {{.kind = PatternKind::kLocal, .window = kMaxPatternSpan + 1},
       "window is 67108865; expected an integer from 1 to 67108864"},
      {{.kind = PatternKind::kLocal, .window = 4, .stride = 2},
       "stride is 2; expected none, the pattern local has no stride"},
      {{.kind = PatternKind::kDense, .window = 4},
       "window is 4; expected none, the pattern dense has no window"},
      {{.kind = PatternKind::kStrided},
       "stride is missing; expected an integer from 1 to 67108864"},
      {{.kind = PatternKind::kBlock, .stride = 4, .cells = 1},
       "cells is 1; expected none, the pattern block has no cells"},
      {{.kind = PatternKind::kFixed, .stride = 4, .spread = 1},
       "cells is missing; expected an integer from 1 to 67108864"},
      {{.kind = PatternKind::kFixed, .stride = 4, .cells = 1},
       "spread is missing; expected an integer from 1 to 67108864"},
      {{.kind = PatternKind::kSummary, .stride = 8, .cells = 3, .spread = 3},
       "cells is 3 with spread 3; expected cells * spread <= 8, the stride"},
      {{.kind = PatternKind::kSummary, .stride = 8, .cells = 1 << 26, .spread = 1 << 26},
       "cells is 67108864 with spread 67108864; expected cells * spread <= 8, the stride"},
      {{.kind = PatternKind::kDense, .head = -1}, "head is -1; expected >= 0"},
  };
  for (const auto& c : cases) {
    EXPECT_THAT(AttentionPattern::Create(c.spec), StatusIs(kInvalid, c.text));
  }
}

TEST(AttentionPatternTest, HeadsAreEqualExactlyWhenTheyReadTheSamePositions) {
  const auto fixed = [](int head) {
    return Make({.kind = PatternKind::kFixed, .stride = 8, .cells = 2, .spread = 3, .head = head});
  };
  EXPECT_EQ(fixed(0), fixed(3));
  EXPECT_FALSE(fixed(0) == fixed(1));
  const auto local = [](int window, int head) {
    return Make({.kind = PatternKind::kLocal, .window = window, .head = head});
  };
  EXPECT_EQ(local(4, 0), local(4, 7));
  EXPECT_FALSE(local(4, 0) == local(5, 0));
  EXPECT_FALSE(Make({.kind = PatternKind::kBlock, .stride = 4}) ==
               Make({.kind = PatternKind::kStrided, .stride = 4}));
}

TEST(AttentionPatternTest, TheFirstBlockHasNoPreviousOneAndNothingToSummarise) {
  EXPECT_THAT(Make({.kind = PatternKind::kPreviousBlock, .stride = 4}).KeysOf(3), IsEmpty());
  EXPECT_THAT(Make({.kind = PatternKind::kSummary, .stride = 4, .cells = 1, .spread = 1}).KeysOf(2),
              IsEmpty());
}

}  // namespace
}  // namespace strided
