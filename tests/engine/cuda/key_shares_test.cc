// How many queries' chunks are dealt to teams.

#include "engine/cuda/kernels/key_shares.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

namespace strided::cuda::attention {
namespace {

// The teams of each query's chunks, as the ranges of `shares` say: one to a chunk.
std::vector<std::vector<int>> TeamsOfChunks(const KeyShares& shares, const std::vector<int>& keys) {
  std::vector<std::vector<int>> teams;
  int64_t begin = 0;
  for (const int count : keys) {
    std::vector<int>& of_query = teams.emplace_back();
    for (int team = 0; team < shares.teams; ++team) {
      const ChunkRange range = ChunkRange::Of(KeyRange::Of(shares, team), begin, count);
      for (int chunk = range.first; chunk < range.end; ++chunk) {
        EXPECT_EQ(chunk, of_query.size()) << "chunks of a query follow each other";
        EXPECT_EQ(shares.Owner(begin + int64_t{chunk} * kAttentionChunk), team);
        of_query.push_back(team);
      }
    }
    EXPECT_EQ(of_query.size(), ChunkRange::Chunks(count));
    begin += count;
  }
  return teams;
}

void ExpectAllDealt(const std::vector<int>& keys, int most_teams) {
  SCOPED_TRACE(testing::Message() << keys.size() << " queries, " << most_teams << " teams");
  const auto all = std::accumulate(keys.begin(), keys.end(), int64_t{0});
  const KeyShares shares = KeyShares::Of(all, most_teams);
  EXPECT_LE(shares.teams, most_teams);
  std::vector<int64_t> keys_of(static_cast<size_t>(shares.teams));
  std::vector<int> chunks_of(static_cast<size_t>(shares.teams));
  const auto teams = TeamsOfChunks(shares, keys);
  for (size_t q = 0; q < keys.size(); ++q) {
    for (size_t c = 0; c < teams[q].size(); ++c) {
      const auto team = static_cast<size_t>(teams[q][c]);
      keys_of[team] += std::min(kAttentionChunk, keys[q] - static_cast<int>(c) * kAttentionChunk);
      ++chunks_of[team];
    }
    // So that teams of a query may be counted by its first and its last.
    for (size_t c = 1; c < teams[q].size(); ++c) EXPECT_LE(teams[q][c] - teams[q][c - 1], 1);
  }
  for (size_t team = 0; team < keys_of.size(); ++team) {
    EXPECT_GE(chunks_of[team], 1) << "team " << team;
    EXPECT_LT(keys_of[team], all / shares.teams + 1 + kAttentionChunk) << "team " << team;
  }
}

TEST(KeySharesTest, EveryChunkHasOneTeamAndEveryTeamItsShare) {
  const std::vector<std::vector<int>> cases = {{1},
                                               {127, 1},
                                               {128, 128},
                                               {129},
                                               {1632},
                                               std::vector<int>(2048, 1569),
                                               {5, 700, 1, 1, 4000, 129, 128}};
  for (const std::vector<int>& keys : cases) {
    for (const int teams : {1, 2, 3, 7, 264}) ExpectAllDealt(keys, teams);
  }
}

TEST(KeySharesTest, AQueryWithoutKeysIsAChunkWhereverItStands) {
  for (const int teams : {1, 2, 5}) {
    ExpectAllDealt({0}, teams);
    ExpectAllDealt({0, 0, 300, 0, 300, 0, 0}, teams);
  }
}

}  // namespace
}  // namespace strided::cuda::attention
