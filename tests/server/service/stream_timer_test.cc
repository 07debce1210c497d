#include "server/service/stream_timer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "absl/synchronization/notification.h"

namespace strided {
namespace {

struct Sleeper final : TimerClient {
  void OnTimer() override { ++calls; }
  int calls = 0;
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

TEST(StreamTimerTest, ItsThreadCallsClients) {
  SystemClock clock;
  StreamTimer timer(&clock);
  timer.Start();
  struct Notifier final : TimerClient {
    void OnTimer() override { called.Notify(); }
    absl::Notification called;
  };
  const auto later = std::make_shared<Notifier>();
  const auto soon = std::make_shared<Notifier>();
  timer.WakeAt(clock.Now() + absl::Hours(1), later);
  timer.WakeAt(clock.Now() + absl::Milliseconds(1), soon);
  soon->called.WaitForNotification();
  EXPECT_FALSE(later->called.HasBeenNotified());
}

}  // namespace
}  // namespace strided
