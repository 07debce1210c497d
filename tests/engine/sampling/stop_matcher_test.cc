#include "engine/sampling/stop_matcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace strided {
namespace {

using Tokens = std::vector<int32_t>;
using ::testing::ElementsAre;

Tokens Bytes(const std::string& text) { return Tokens(text.begin(), text.end()); }

StopAutomaton AutomatonOf(const std::vector<std::string>& texts) {
  std::vector<Tokens> sequences;
  for (const std::string& text : texts) sequences.push_back(Bytes(text));
  return StopAutomaton(sequences);
}

// What goes out after each byte of `text`, up to a match, which is added in brackets.
std::vector<std::string> Stream(const std::vector<std::string>& stops, const std::string& text,
                                size_t armed_from = 1) {
  const StopAutomaton automaton = AutomatonOf(stops);
  StopMatcher matcher(&automaton);
  std::string queue;
  std::vector<std::string> out;
  for (size_t fed = 1; fed <= text.size(); ++fed) {
    queue.push_back(text[fed - 1]);
    const StopVerdict verdict = matcher.Feed(text[fed - 1], fed >= armed_from);
    out.push_back(queue.substr(0, static_cast<size_t>(verdict.released)));
    queue.erase(0, static_cast<size_t>(verdict.released));
    EXPECT_EQ(matcher.withheld(), static_cast<int>(queue.size()));
    if (verdict.matched.has_value()) {
      EXPECT_EQ(queue, stops[static_cast<size_t>(*verdict.matched)]);
      EXPECT_EQ(verdict.matched_tokens, static_cast<int>(queue.size()));
      out.push_back(absl::StrCat("[", queue, "]"));
      return out;
    }
  }
  out.push_back(absl::StrCat("|", queue));
  EXPECT_EQ(matcher.Flush(), static_cast<int>(queue.size()));
  EXPECT_EQ(matcher.withheld(), 0);
  return out;
}

TEST(StopMatcherTest, WithoutStopsEveryTokenGoesOutAtOnce) {
  EXPECT_THAT(Stream({}, "abc"), ElementsAre("a", "b", "c", "|"));
}

TEST(StopMatcherTest, AnUnfinishedStopIsWithheldAndThenReleased) {
  EXPECT_THAT(Stream({"abc"}, "xabx"), ElementsAre("x", "", "", "abx", "|"));
  EXPECT_THAT(Stream({"abc"}, "ab"), ElementsAre("", "", "|ab"));
}

TEST(StopMatcherTest, AMatchLeavesExactlyItsTokensWithheld) {
  EXPECT_THAT(Stream({"abc"}, "xxabcd"), ElementsAre("x", "x", "", "", "", "[abc]"));
}

TEST(StopMatcherTest, AStopThatOverlapsItselfKeepsItsEnd) {
  EXPECT_THAT(Stream({"aab"}, "aaab"), ElementsAre("", "", "a", "", "[aab]"));
  EXPECT_THAT(Stream({"abab"}, "abaabab"), ElementsAre("", "", "", "aba", "", "", "", "[abab]"));
}

TEST(StopMatcherTest, TheMatchThatEndsFirstWins) {
  EXPECT_THAT(Stream({"abcd", "bc"}, "abcd"), ElementsAre("a", "", "", "[bc]"));
}

TEST(StopMatcherTest, OfMatchesThatEndTogetherTheLongestWins) {
  EXPECT_THAT(Stream({"c", "bc", "abc"}, "xabc"), ElementsAre("x", "", "", "", "[abc]"));
}

TEST(StopMatcherTest, OfEqualStopsTheFirstListedIsNamed) {
  const StopAutomaton automaton = AutomatonOf({"b", "a", "a"});
  EXPECT_EQ(StopMatcher(&automaton).Feed('a', true).matched, 1);
}

TEST(StopMatcherTest, AStopThatAnotherAlwaysCutsShortWithholdsNothing) {
  EXPECT_THAT(Stream({"abc", "b"}, "axab"), ElementsAre("a", "x", "a", "", "[b]"));
}

TEST(StopMatcherTest, AMatchBeforeItIsArmedIsPassedOver) {
  EXPECT_THAT(Stream({"ab"}, "abab", 3), ElementsAre("", "ab", "", "", "[ab]"));
}

TEST(StopMatcherTest, AMatchMayBeginBeforeItIsArmed) {
  EXPECT_THAT(Stream({"abc", "b"}, "abc", 3), ElementsAre("", "", "", "[abc]"));
}

TEST(StopMatcherTest, TokensBeyondBytesAreTokensLikeAnyOther) {
  const std::vector<Tokens> stops = {{70000, 1048575}};
  const StopAutomaton automaton(stops);
  StopMatcher matcher(&automaton);
  EXPECT_EQ(matcher.Feed(70000, true).released, 0);
  EXPECT_EQ(matcher.Feed(1048575, true).matched, 0);
}

// The rest compares with the definitions, tried out by brute force.

bool EndsWith(const Tokens& stream, const Tokens& stop) {
  return stream.size() >= stop.size() && std::equal(stop.rbegin(), stop.rend(), stream.rbegin());
}

// The longest stop that `stream` ends with, the first listed of equals; -1: none.
int MatchOf(const std::vector<Tokens>& stops, const Tokens& stream) {
  int best = -1;
  for (size_t i = 0; i < stops.size(); ++i) {
    if (!EndsWith(stream, stops[i])) continue;
    if (best < 0 || stops[i].size() > stops[static_cast<size_t>(best)].size()) {
      best = static_cast<int>(i);
    }
  }
  return best;
}

// How many of the last tokens of `stream` belong to the match that ends the sample, at most, over
// all continuations of at most `left` tokens out of {0, 1, 2}, armed from some point on.
int MostClaimed(const std::vector<Tokens>& stops, Tokens& stream, bool armed, int left, int added) {
  int most = 0;
  for (int32_t token = 0; left > 0 && token < 3; ++token) {
    stream.push_back(token);
    const int match = MatchOf(stops, stream);
    if (match >= 0) {
      most = std::max(most, static_cast<int>(stops[static_cast<size_t>(match)].size()) - added - 1);
    }
    // A match ends an armed stream; an unarmed one may also pass it over, and may be armed or not
    // from then on.
    if (match < 0 || !armed) {
      most = std::max(most, MostClaimed(stops, stream, armed, left - 1, added + 1));
    }
    if (match < 0 && !armed) {
      most = std::max(most, MostClaimed(stops, stream, true, left - 1, added + 1));
    }
    stream.pop_back();
  }
  return most;
}

Tokens RandomTokens(std::mt19937& bits, size_t size, uint32_t kinds) {
  Tokens tokens(size);
  for (int32_t& token : tokens) token = static_cast<int32_t>(bits() % kinds);
  return tokens;
}

// Feeds `stream` until a match and compares every verdict.
void ExpectAsDefined(const std::vector<Tokens>& stops, const Tokens& stream, size_t armed_from) {
  const StopAutomaton automaton(stops);
  StopMatcher matcher(&automaton);
  Tokens seen;
  int withheld = 0;
  for (const int32_t token : stream) {
    seen.push_back(token);
    const bool armed = seen.size() >= armed_from;
    const StopVerdict verdict = matcher.Feed(token, armed);
    const int match = armed ? MatchOf(stops, seen) : -1;
    ASSERT_EQ(verdict.matched.value_or(-1), match) << "after " << absl::StrJoin(seen, " ");
    const int expected = match >= 0 ? static_cast<int>(stops[static_cast<size_t>(match)].size())
                                    : MostClaimed(stops, seen, armed, 4, 0);
    ASSERT_EQ(matcher.withheld(), expected) << "after " << absl::StrJoin(seen, " ");
    ASSERT_EQ(verdict.released, withheld + 1 - expected);
    ASSERT_GE(verdict.released, 0);
    withheld = expected;
    if (match >= 0) return;
  }
}

TEST(StopMatcherTest, WithholdsExactlyWhatAContinuationCouldClaim) {
  std::mt19937 bits(1);
  for (int i = 0; i < 3000; ++i) {
    std::vector<Tokens> stops(1 + bits() % 4);
    for (Tokens& stop : stops) stop = RandomTokens(bits, 1 + bits() % 5, 2 + bits() % 2);
    std::string listed;
    for (const Tokens& stop : stops) absl::StrAppend(&listed, "{", absl::StrJoin(stop, " "), "} ");
    SCOPED_TRACE(absl::StrCat("case ", i, ": ", listed));
    ExpectAsDefined(stops, RandomTokens(bits, 12, 3), 1 + bits() % 8);
    if (HasFatalFailure()) return;
  }
}

TEST(StopMatcherTest, ReleasesEachTokenOfALongStreamOnce) {
  std::mt19937 bits(2);
  std::vector<Tokens> stops;
  for (int i = 0; i < 16; ++i) stops.push_back(RandomTokens(bits, 30, 2));
  const StopAutomaton automaton(stops);
  StopMatcher matcher(&automaton);
  int released = 0;
  for (int fed = 1; fed <= 20000; ++fed) {
    const StopVerdict verdict = matcher.Feed(static_cast<int32_t>(bits() % 2), fed > 20000);
    ASSERT_GE(verdict.released, 0);
    released += verdict.released;
    ASSERT_EQ(released + matcher.withheld(), fed);
    ASSERT_LT(matcher.withheld(), 30);
  }
  EXPECT_EQ(released + matcher.Flush(), 20000);
}

}  // namespace
}  // namespace strided
