// Finds stop sequences in a stream of tokens, and knows how much of its end may still become one.
//
// The automaton of Aho and Corasick 1975, "Efficient string matching", sections 2 and 3: a state is
// the longest end of the stream that begins some sequence. The match that ends first wins; among
// those that end at the same token, the longest; among equal sequences, the first listed.
//
// A token is one element of the sequence: a byte for byte models.

#ifndef STRIDED_ENGINE_SAMPLING_STOP_AUTOMATON_H_
#define STRIDED_ENGINE_SAMPLING_STOP_AUTOMATON_H_

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"

namespace strided {

// Immutable: one serves all samples of a request, from any thread. Memory and construction are
// linear in the tokens of all sequences together.
class StopAutomaton {
 public:
  // Any number of sequences, each at least 1 token long.
  explicit StopAutomaton(std::span<const std::vector<int32_t>> sequences);

  static constexpr int kStart = 0;  // the state of an empty stream

  // The state after one more token. Constant time on average over a stream.
  int Next(int state, int32_t token) const;

  struct Match {
    int sequence = 0;  // its index in the constructor's list
    int length = 0;    // its tokens: the last ones of the stream
  };
  // The match that ends at `state`, if any.
  std::optional<Match> MatchAt(int state) const;

  // How many of the stream's last tokens may be part of a match to come. `armed`: every later match
  // will count, so one that would be cut short by an earlier-ending match is out of the question.
  // Otherwise some later matches may be ignored.
  int WithheldAt(int state, bool armed) const;

 private:
  struct Node {
    int parent = 0;
    int32_t token = 0;           // that leads here from the parent
    int depth = 0;               // tokens from the start
    int failure = 0;             // the longest proper end of this node's tokens that is a node
    int sequence = -1;           // that ends exactly here; -1: none
    std::optional<Match> match;  // the longest that ends here, also by way of failures
    bool grows = false;          // begins some longer sequence
    bool wins = false;           // begins one that no match before its end cuts short
    int withheld_unarmed = 0;    // depth of the longest end that grows
    int withheld_armed = 0;      // depth of the longest end that wins
  };

  // The node that `token` leads to from `node`, without failures; -1: none.
  int Child(int node, int32_t token) const;
  void Insert(std::span<const int32_t> sequence, int index);
  // `by_depth` lists all nodes, no node before its parent.
  void LinkFailures(std::span<const int> by_depth);
  void FindWinners(std::span<const int> by_depth);

  std::vector<Node> nodes_;                                  // the first is the start
  absl::flat_hash_map<std::pair<int, int32_t>, int> edges_;  // (node, token) -> node
};

}  // namespace strided

#endif  // STRIDED_ENGINE_SAMPLING_STOP_AUTOMATON_H_
