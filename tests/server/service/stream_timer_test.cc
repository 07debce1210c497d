#include "server/service/stream_timer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "absl/synchronization/notification.h"

namespace strided {
namespace {

struct Sleeper final : TimerClient {
  void OnTimer() override { ++calls; }
  void OnTurn() override { ++turns; }
  int calls = 0;
  int turns = 0;
};

TEST(StreamTimerTest, AClientIsCalledOnceAtItsTime) {
  FakeClock clock;
  StreamTimer timer(&clock);
  const auto sleeper = std::make_shared<Sleeper>();
  timer.WakeAt(clock.Now() + absl::Seconds(1), sleeper);
  EXPECT_FALSE(timer.RunDue());
  clock.Advance(absl::Seconds(1));
  EXPECT_TRUE(timer.RunDue());
  EXPECT_FALSE(timer.RunDue());
  EXPECT_EQ(sleeper->calls, 1);
}

TEST(StreamTimerTest, ANewTimeReplacesTheOld) {
  FakeClock clock;
  StreamTimer timer(&clock);
  const auto sleeper = std::make_shared<Sleeper>();
  timer.WakeAt(clock.Now() + absl::Seconds(9), sleeper);
  timer.WakeAt(clock.Now() + absl::Seconds(1), sleeper);
  clock.Advance(absl::Seconds(1));
  timer.RunDue();
  EXPECT_EQ(sleeper->calls, 1);
  clock.Advance(absl::Seconds(9));
  timer.RunDue();
  EXPECT_EQ(sleeper->calls, 1);
}

TEST(StreamTimerTest, ClientsAreCalledInTheOrderOfTheirTimes) {
  FakeClock clock;
  StreamTimer timer(&clock);
  struct Recorder final : TimerClient {
    Recorder(int its_name, std::vector<int>* its_log) : name(its_name), log(its_log) {}
    void OnTimer() override { log->push_back(name); }
    void OnTurn() override {}
    int name;
    std::vector<int>* log;
  };
  std::vector<int> log;
  const auto late = std::make_shared<Recorder>(2, &log);
  const auto early = std::make_shared<Recorder>(1, &log);
  timer.WakeAt(clock.Now() + absl::Seconds(2), late);
  timer.WakeAt(clock.Now() + absl::Seconds(1), early);
  clock.Advance(absl::Seconds(3));
  timer.RunDue();
  EXPECT_THAT(log, testing::ElementsAre(1, 2));
}

TEST(StreamTimerTest, AForgottenClientIsNotCalled) {
  FakeClock clock;
  StreamTimer timer(&clock);
  const auto sleeper = std::make_shared<Sleeper>();
  timer.WakeAt(clock.Now(), sleeper);
  timer.Forget(sleeper.get());
  timer.Forget(sleeper.get());
  EXPECT_FALSE(timer.RunDue());
  EXPECT_EQ(sleeper->calls, 0);
}

TEST(StreamTimerTest, AClientThatIsGoneIsPassedOver) {
  FakeClock clock;
  StreamTimer timer(&clock);
  timer.WakeAt(clock.Now(), std::make_shared<Sleeper>());
  const auto sleeper = std::make_shared<Sleeper>();
  timer.WakeAt(clock.Now(), sleeper);
  timer.RunDue();
  EXPECT_EQ(sleeper->calls, 1);
}

TEST(StreamTimerTest, EveryTurnComesOnceWhateverBecomesOfTheTime) {
  FakeClock clock;
  StreamTimer timer(&clock);
  const auto sleeper = std::make_shared<Sleeper>();
  timer.WakeAt(clock.Now() + absl::Seconds(1), sleeper);
  timer.RunSoon(sleeper);
  timer.RunSoon(sleeper);
  timer.Forget(sleeper.get());
  EXPECT_TRUE(timer.RunDue());
  EXPECT_FALSE(timer.RunDue());
  EXPECT_EQ(sleeper->turns, 2);
  EXPECT_EQ(sleeper->calls, 0);
}

TEST(StreamTimerTest, ATurnKeepsItsClientAlive) {
  FakeClock clock;
  StreamTimer timer(&clock);
  auto sleeper = std::make_shared<Sleeper>();
  const std::weak_ptr<Sleeper> watched = sleeper;
  timer.RunSoon(std::exchange(sleeper, nullptr));
  EXPECT_FALSE(watched.expired());
  timer.RunDue();
  EXPECT_TRUE(watched.expired());
}

TEST(StreamTimerTest, ItsThreadCallsClients) {
  SystemClock clock;
  StreamTimer timer(&clock);
  timer.Start();
  struct Notifier final : TimerClient {
    void OnTimer() override { called.Notify(); }
    void OnTurn() override { had_turn.Notify(); }
    absl::Notification called;
    absl::Notification had_turn;
  };
  const auto later = std::make_shared<Notifier>();
  const auto soon = std::make_shared<Notifier>();
  timer.WakeAt(clock.Now() + absl::Hours(1), later);
  timer.WakeAt(clock.Now() + absl::Milliseconds(1), soon);
  soon->called.WaitForNotification();
  timer.RunSoon(later);
  later->had_turn.WaitForNotification();
  EXPECT_FALSE(later->called.HasBeenNotified());
}

}  // namespace
}  // namespace strided
