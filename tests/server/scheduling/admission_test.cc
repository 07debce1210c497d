#include "server/scheduling/admission.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "engine/base/error_detail.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using ::testing::HasSubstr;

TEST(AdmissionTest, ATicketGivesItsPlaceBackWhenDestroyed) {
  Admission admission(1);
  {
    ASSERT_OK_AND_ASSIGN(const Ticket ticket, admission.Admit());
    EXPECT_EQ(admission.tickets_out(), 1);
  }
  EXPECT_EQ(admission.tickets_out(), 0);
  EXPECT_OK(admission.Admit());
}

TEST(AdmissionTest, AMovedTicketGivesItsPlaceBackOnce) {
  Admission admission(2);
  {
    ASSERT_OK_AND_ASSIGN(Ticket first, admission.Admit());
    const Ticket second = std::move(first);
    EXPECT_EQ(admission.tickets_out(), 1);
  }
  EXPECT_EQ(admission.tickets_out(), 0);
}

TEST(AdmissionTest, AFullQueueIsRefusedWithItsLimitAndARetryDelay) {
  Admission admission(2);
  ASSERT_OK_AND_ASSIGN(const Ticket first, admission.Admit());
  ASSERT_OK_AND_ASSIGN(const Ticket second, admission.Admit());
  const absl::Status status = admission.Admit().status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable, HasSubstr("2 requests")));
  ASSERT_TRUE(ReasonOf(status).has_value());
  EXPECT_EQ(ReasonOf(status)->reason, "QUEUE_FULL");
  EXPECT_EQ(ReasonOf(status)->metadata.at("limit"), "2");
  EXPECT_TRUE(RetryAfterOf(status).has_value());
}

TEST(AdmissionTest, DrainingRefusesWhatIsNewAndKeepsWhatIsOut) {
  Admission admission(2);
  ASSERT_OK_AND_ASSIGN(const Ticket ticket, admission.Admit());
  admission.StartDraining();
  const absl::Status status = admission.Admit().status();
  EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_EQ(ReasonOf(status)->reason, "DRAINING");
  EXPECT_TRUE(RetryAfterOf(status).has_value());
  EXPECT_EQ(admission.tickets_out(), 1);
}

TEST(AdmissionTest, AwaitIdleReturnsOnceTheLastTicketIsBack) {
  Admission admission(1);
  std::optional<Ticket> ticket = *admission.Admit();
  EXPECT_FALSE(admission.AwaitIdle(absl::ZeroDuration()));
  std::thread other([&] { ticket.reset(); });
  EXPECT_TRUE(admission.AwaitIdle(absl::InfiniteDuration()));
  other.join();
}

TEST(AdmissionTest, ThreadsNeverHaveMoreTicketsOutThanTheLimit) {
  constexpr int kLimit = 3;
  Admission admission(kLimit);
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (int attempt = 0; attempt < 1000; ++attempt) {
        const absl::StatusOr<Ticket> ticket = admission.Admit();
        EXPECT_LE(admission.tickets_out(), kLimit);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(admission.tickets_out(), 0);
}

}  // namespace
}  // namespace strided
