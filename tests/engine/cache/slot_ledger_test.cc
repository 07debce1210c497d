#include "engine/cache/slot_ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using ::testing::HasSubstr;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kExhausted = absl::StatusCode::kResourceExhausted;

TEST(SlotLedgerTest, GivesOutTheLowestFreeSlot) {
  SlotLedger ledger(4, 100);
  EXPECT_EQ(ledger.Take(10), 0);
  EXPECT_EQ(ledger.Take(10), 1);
  EXPECT_EQ(ledger.Take(10), 2);
  ledger.GiveBack(2, 10);
  ledger.GiveBack(0, 10);
  EXPECT_EQ(ledger.Take(10), 0);
  EXPECT_EQ(ledger.Take(10), 2);
  EXPECT_EQ(ledger.Take(10), 3);
}

TEST(SlotLedgerTest, CountsWhatIsTakenAndGivenBack) {
  SlotLedger ledger(2, 100);
  ledger.Take(30);
  ledger.Take(5);
  EXPECT_EQ(ledger.usage().used_bytes, 35);
  EXPECT_EQ(ledger.usage().slots_in_use, 2);
  EXPECT_EQ(ledger.usage().capacity_bytes, 100);
  ledger.GiveBack(0, 30);
  EXPECT_EQ(ledger.usage().used_bytes, 5);
  EXPECT_EQ(ledger.usage().slots_in_use, 1);
}

TEST(SlotLedgerTest, WhatCanNeverFitIsTheCallersFault) {
  const SlotLedger ledger(2, 100);
  EXPECT_OK(ledger.CheckRoom(100));
  EXPECT_THAT(ledger.CheckRoom(101),
              StatusIs(kInvalid, "the sequence takes 101 cache bytes; the device has 100 in all"));
}

TEST(SlotLedgerTest, WhatDoesNotFitNowMayBeTriedAgain) {
  SlotLedger ledger(2, 100);
  ledger.Take(60);
  EXPECT_OK(ledger.CheckRoom(40));
  EXPECT_THAT(ledger.CheckRoom(41),
              StatusIs(kExhausted, "the sequence takes 41 cache bytes; of 100, 60 are in use"));
  ledger.Take(1);
  EXPECT_THAT(ledger.CheckRoom(1), StatusIs(kExhausted, "all 2 slots are in use"));
  ledger.GiveBack(0, 60);
  EXPECT_OK(ledger.CheckRoom(99));
}

TEST(SlotLedgerTest, ADeviceMayLearnItsRoomLater) {
  SlotLedger ledger(1, 0);
  EXPECT_THAT(ledger.CheckRoom(1), StatusIs(kInvalid, HasSubstr("0 in all")));
  ledger.SetCapacity(7);
  EXPECT_OK(ledger.CheckRoom(7));
  EXPECT_EQ(ledger.usage().capacity_bytes, 7);
}

TEST(SlotLedgerTest, UsageMayBeReadWhileSlotsComeAndGo) {
  SlotLedger ledger(8, 1000);
  std::thread reader([&] {
    for (int i = 0; i < 1000; ++i) {
      const CacheUsage usage = ledger.usage();
      EXPECT_EQ(usage.used_bytes, 10 * usage.slots_in_use);
    }
  });
  for (int i = 0; i < 1000; ++i) ledger.GiveBack(ledger.Take(10), 10);
  reader.join();
}

}  // namespace
}  // namespace strided
