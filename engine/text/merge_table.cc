#include "engine/text/merge_table.h"

#include <cstddef>
#include <functional>
#include <queue>
#include <tuple>

namespace strided {
namespace {

constexpr int32_t kGone = -1;  // merged into its left neighbour

// The tokens of a piece, linked, so that a merge moves nothing.
struct Links {
  std::vector<int32_t> tokens;
  std::vector<int> previous;  // -1: none
  std::vector<int> next;      // size: none
};

Links Linked(std::vector<int32_t> tokens) {
  Links links;
  const int count = static_cast<int>(tokens.size());
  for (int i = 0; i < count; ++i) {
    links.previous.push_back(i - 1);
    links.next.push_back(i + 1);
  }
  links.tokens = std::move(tokens);
  return links;
}

// A pair that may merge, unless one of the two has changed by its turn. The first in order is next.
struct Candidate {
  int32_t rank = 0;
  int left = 0;  // place
  int32_t left_token = 0;
  int32_t right_token = 0;
  int32_t merged = 0;

  friend bool operator>(const Candidate& a, const Candidate& b) {
    return std::tie(a.rank, a.left) > std::tie(b.rank, b.left);
  }
};

}  // namespace

bool MergeTable::Add(int32_t left, int32_t right, int32_t merged) {
  const auto rank = static_cast<int32_t>(merges_.size());
  return merges_.emplace(std::pair(left, right), Merge{rank, merged}).second;
}

const MergeTable::Merge* MergeTable::Find(int32_t left, int32_t right) const {
  const auto found = merges_.find({left, right});
  return found == merges_.end() ? nullptr : &found->second;
}

std::vector<int32_t> MergeTable::Apply(std::vector<int32_t> tokens) const {
  Links links = Linked(std::move(tokens));
  const int count = static_cast<int>(links.tokens.size());
  const auto token = [&](int place) -> int32_t& {
    return links.tokens[static_cast<size_t>(place)];
  };
  const auto next = [&](int place) -> int& { return links.next[static_cast<size_t>(place)]; };
  const auto previous = [&](int place) -> int& {
    return links.previous[static_cast<size_t>(place)];
  };
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> queue;
  const auto consider = [&](int left) {
    if (left < 0 || next(left) >= count) return;
    const int32_t a = token(left);
    const int32_t b = token(next(left));
    if (const Merge* const merge = Find(a, b)) queue.push({merge->rank, left, a, b, merge->merged});
  };
  for (int place = 0; place < count; ++place) consider(place);
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    const int right = token(best.left) == kGone ? count : next(best.left);
    if (right >= count || token(best.left) != best.left_token || token(right) != best.right_token) {
      continue;
    }
    token(best.left) = best.merged;
    token(right) = kGone;
    next(best.left) = next(right);
    if (next(right) < count) previous(next(right)) = best.left;
    consider(previous(best.left));
    consider(best.left);
  }
  std::erase(links.tokens, kGone);
  return std::move(links.tokens);
}

}  // namespace strided
