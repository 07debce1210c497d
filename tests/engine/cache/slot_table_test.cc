#include "engine/cache/slot_table.h"

#include <gtest/gtest.h>

#include <memory>

#include "engine/cache/slot.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

// Takes ten bytes, and counts the living.
class Sequence {
 public:
  explicit Sequence(int& living) : living_(living) { ++living_; }
  ~Sequence() { --living_; }
  int64_t cache_bytes() const { return 10; }

 private:
  int& living_;
};

TEST(SlotTableTest, ASequenceIsFoundInItsSlotUntilItIsRemoved) {
  int living = 0;
  SlotTable<Sequence> table(2, 100);
  auto sequence = std::make_unique<Sequence>(living);
  const Sequence* const address = sequence.get();
  const int slot = table.Add(std::move(sequence));
  EXPECT_EQ(table.Find(slot), address);
  EXPECT_EQ(table.usage().used_bytes, 10);
  table.Remove(slot);
  EXPECT_EQ(table.Find(slot), nullptr);
  EXPECT_EQ(living, 0);
  EXPECT_EQ(table.usage().used_bytes, 0);
}

TEST(SlotTableTest, NoSequenceIsInAFreeSlotOrBeyondTheLast) {
  const SlotTable<Sequence> table(2, 100);
  for (const int slot : {-1, 0, 1, 2, 1000}) EXPECT_EQ(table.Find(slot), nullptr);
}

TEST(SlotTableTest, ARemovedSequencesSlotIsUsedAgain) {
  int living = 0;
  SlotTable<Sequence> table(3, 100);
  for (int i = 0; i < 3; ++i) table.Add(std::make_unique<Sequence>(living));
  EXPECT_THAT(table.CheckRoom(10), StatusIs(absl::StatusCode::kResourceExhausted));
  table.Remove(1);
  EXPECT_OK(table.CheckRoom(10));
  EXPECT_EQ(table.Add(std::make_unique<Sequence>(living)), 1);
  EXPECT_EQ(living, 3);
}

// Remembers what has been released.
class Owner final : public SlotOwner {
 public:
  void ReleaseSlot(int index) override { released.push_back(index); }
  std::vector<int> released;
};

TEST(SlotTest, IsReleasedOnceByWhoHoldsItLast) {
  Owner owner;
  {
    Slot first(&owner, 4);
    const Slot moved = std::move(first);
    EXPECT_EQ(moved.index(), 4);
    EXPECT_TRUE(owner.released.empty());
  }
  EXPECT_EQ(owner.released, (std::vector<int>{4}));
}

TEST(SlotTest, AnAssignedSlotReleasesTheOneItReplaces) {
  Owner owner;
  {
    Slot slot(&owner, 1);
    slot = Slot(&owner, 2);
    EXPECT_EQ(owner.released, (std::vector<int>{1}));
    EXPECT_EQ(slot.index(), 2);
  }
  EXPECT_EQ(owner.released, (std::vector<int>{1, 2}));
}

}  // namespace
}  // namespace strided
