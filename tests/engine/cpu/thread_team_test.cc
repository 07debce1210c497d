#include "engine/cpu/thread_team.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

namespace strided {
namespace {

TEST(ThreadTeamTest, EachMemberWorksOnceARun) {
  for (const int size : {1, 2, 5}) {
    ThreadTeam team(size);
    for (int run = 0; run < 100; ++run) {
      std::vector<int> calls(static_cast<size_t>(size));
      team.Run([&](int member) { ++calls[static_cast<size_t>(member)]; });
      EXPECT_EQ(calls, std::vector<int>(static_cast<size_t>(size), 1));
    }
  }
}

TEST(ThreadTeamTest, WhatIsWrittenBeforeABarrierIsReadAfterIt) {
  constexpr int kSize = 3;
  constexpr int kRounds = 1000;
  ThreadTeam team(kSize);
  std::vector<int> values(kSize);
  std::atomic<int> wrong{0};
  team.Run([&](int member) {
    for (int round = 0; round < kRounds; ++round) {
      values[static_cast<size_t>(member)] = round * kSize + member;
      team.Barrier();
      for (int other = 0; other < kSize; ++other) {
        if (values[static_cast<size_t>(other)] != round * kSize + other) ++wrong;
      }
      team.Barrier();
    }
  });
  EXPECT_EQ(wrong, 0);
}

TEST(ThreadTeamTest, AMemberThatIsLateIsWaitedFor) {
  ThreadTeam team(2);
  std::atomic<bool> done{false};
  team.Run([&](int member) {
    if (member == 1) {
      for (std::atomic<int> turns{0}; turns < 10'000'000;) ++turns;
      done = true;
    }
  });
  EXPECT_TRUE(done) << "Run returned before its members had";
}

TEST(ThreadTeamTest, ATeamThatNeverRanIsJoined) {
  const ThreadTeam team(4);
  EXPECT_EQ(team.size(), 4);
}

}  // namespace
}  // namespace strided
