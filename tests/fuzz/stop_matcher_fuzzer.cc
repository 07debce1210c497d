// Stop sequences and a stream out of any bytes: nothing is lost, released twice or released too
// early, and the match is the one that a plain search finds.
//
// Input: sequences that end at a 0 byte each, an empty one, a byte that says when the matcher is
// armed, the stream.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/sampling/stop_matcher.h"
#include "tests/fuzz/require.h"

namespace strided {
namespace {

using Tokens = std::vector<int32_t>;

// The next bytes up to a 0, which is taken too.
Tokens TakeSequence(std::span<const uint8_t>& bytes) {
  const auto end = std::find(bytes.begin(), bytes.end(), 0);
  Tokens sequence(bytes.begin(), end);
  bytes = bytes.subspan(std::min(sequence.size() + 1, bytes.size()));
  return sequence;
}

std::vector<Tokens> TakeSequences(std::span<const uint8_t>& bytes) {
  std::vector<Tokens> sequences;
  for (Tokens next = TakeSequence(bytes); !next.empty(); next = TakeSequence(bytes)) {
    sequences.push_back(next);
  }
  return sequences;
}

// The longest sequence that `stream` ends with, the first of equals.
std::optional<int> PlainSearch(const std::vector<Tokens>& sequences, const Tokens& stream) {
  std::optional<int> best;
  size_t longest = 0;
  for (size_t i = 0; i < sequences.size(); ++i) {
    const Tokens& sequence = sequences[i];
    if (sequence.size() <= longest || sequence.size() > stream.size()) continue;
    if (!std::equal(sequence.rbegin(), sequence.rend(), stream.rbegin())) continue;
    best = static_cast<int>(i);
    longest = sequence.size();
  }
  return best;
}

void Fuzz(std::span<const uint8_t> bytes) {
  const std::vector<Tokens> sequences = TakeSequences(bytes);
  const size_t armed_from = bytes.empty() ? 0 : bytes.front();
  if (!bytes.empty()) bytes = bytes.subspan(1);
  const StopAutomaton automaton(sequences);
  StopMatcher matcher(&automaton);
  Tokens stream;
  int released = 0;
  for (const uint8_t token : bytes) {
    stream.push_back(token);
    const bool armed = stream.size() >= armed_from;
    const StopVerdict verdict = matcher.Feed(token, armed);
    released += verdict.released;
    Require(verdict.released >= 0, "nothing is taken back");
    Require(released + matcher.withheld() == static_cast<int>(stream.size()), "nothing is lost");
    const std::optional<int> expected = armed ? PlainSearch(sequences, stream) : std::nullopt;
    Require(verdict.matched == expected, "the match is that of a plain search");
    if (!expected.has_value()) continue;
    const size_t length = sequences[static_cast<size_t>(*expected)].size();
    Require(matcher.withheld() == static_cast<int>(length), "exactly the match is withheld");
    return;
  }
  Require(released + matcher.Flush() == static_cast<int>(stream.size()), "a flush gives the rest");
}

}  // namespace
}  // namespace strided

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  strided::Fuzz(std::span(bytes, size));
  return 0;
}
