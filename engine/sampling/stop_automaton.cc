#include "engine/sampling/stop_automaton.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

namespace strided {
namespace {

constexpr int kNone = -1;

size_t At(int node) { return static_cast<size_t>(node); }

}  // namespace

StopAutomaton::StopAutomaton(std::span<const std::vector<int32_t>> sequences) : nodes_(1) {
  for (size_t i = 0; i < sequences.size(); ++i) Insert(sequences[i], static_cast<int>(i));
  std::vector<int> by_depth(nodes_.size());
  std::iota(by_depth.begin(), by_depth.end(), 0);
  std::stable_sort(by_depth.begin(), by_depth.end(),
                   [this](int a, int b) { return nodes_[At(a)].depth < nodes_[At(b)].depth; });
  LinkFailures(by_depth);
  FindWinners(by_depth);
}

int StopAutomaton::Next(int state, int32_t token) const {
  for (;;) {
    const int child = Child(state, token);
    if (child != kNone) return child;
    if (state == kStart) return kStart;
    state = nodes_[At(state)].failure;
  }
}

std::optional<StopAutomaton::Match> StopAutomaton::MatchAt(int state) const {
  return nodes_[At(state)].match;
}

int StopAutomaton::WithheldAt(int state, bool armed) const {
  const Node& node = nodes_[At(state)];
  return armed ? node.withheld_armed : node.withheld_unarmed;
}

int StopAutomaton::Child(int node, int32_t token) const {
  const auto edge = edges_.find({node, token});
  return edge == edges_.end() ? kNone : edge->second;
}

void StopAutomaton::Insert(std::span<const int32_t> sequence, int index) {
  int node = kStart;
  for (const int32_t token : sequence) {
    const auto [edge, is_new] = edges_.try_emplace({node, token}, static_cast<int>(nodes_.size()));
    if (is_new) {
      Node child;
      child.parent = node;
      child.token = token;
      child.depth = nodes_[At(node)].depth + 1;
      nodes_.push_back(child);
    }
    node = edge->second;
  }
  if (nodes_[At(node)].sequence == kNone) nodes_[At(node)].sequence = index;
}

void StopAutomaton::LinkFailures(std::span<const int> by_depth) {
  for (const int index : by_depth.subspan(1)) {
    Node& node = nodes_[At(index)];
    // From depth 1 the only proper end is empty; searching for one would find the node itself.
    node.failure = node.depth == 1 ? kStart : Next(nodes_[At(node.parent)].failure, node.token);
    node.match = node.sequence == kNone ? nodes_[At(node.failure)].match
                                        : Match{.sequence = node.sequence, .length = node.depth};
  }
}

// The match that is taken is the first to end. So a node wins if one of its continuations reaches
// the end of a sequence and passes no other match on the way. Matches that began before the node's
// tokens need no thought: they belong to a longer node, which then wins itself.
void StopAutomaton::FindWinners(std::span<const int> by_depth) {
  for (size_t i = by_depth.size() - 1; i > 0; --i) {
    const Node& node = nodes_[At(by_depth[i])];
    Node& parent = nodes_[At(node.parent)];
    parent.grows = true;
    if (node.match.has_value() ? node.sequence != kNone : node.wins) parent.wins = true;
  }
  for (const int index : by_depth.subspan(1)) {
    Node& node = nodes_[At(index)];
    const Node& failure = nodes_[At(node.failure)];
    node.withheld_unarmed = node.grows ? node.depth : failure.withheld_unarmed;
    node.withheld_armed = node.wins ? node.depth : failure.withheld_armed;
  }
}

}  // namespace strided
