#include "server/observability/metrics_exposer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/server/observability/exposition.h"
#include "tests/server/observability/http_get.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using ::testing::AllOf;
using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(MetricsExposerTest, AScrapeGivesTheSeriesOfTheServerAndOfItsProcess) {
  const std::unique_ptr<Metrics> metrics = CreateMetrics();
  metrics->CountCreated(LiveObject::kSlot);
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<MetricsExposer> exposer,
                       MetricsExposer::Start("127.0.0.1:0", *metrics));
  ASSERT_OK_AND_ASSIGN(const std::string answer, HttpGet(exposer->address(), "/metrics"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 OK"));
  EXPECT_THAT(SeriesValue(answer, R"(strided_objects_created_total{object="slot"})"),
              IsOkAndHolds(1));
  EXPECT_THAT(SeriesValue(answer, "process_resident_memory_bytes"), IsOkAndHolds(Gt(0)));
  EXPECT_THAT(SeriesValue(answer, "process_open_fds"), IsOkAndHolds(Gt(0)));
}

TEST(MetricsExposerTest, OnlyMetricsAreServed) {
  const std::unique_ptr<Metrics> metrics = CreateMetrics();
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<MetricsExposer> exposer,
                       MetricsExposer::Start("127.0.0.1:0", *metrics));
  ASSERT_OK_AND_ASSIGN(const std::string answer, HttpGet(exposer->address(), "/etc/passwd"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 404"));
}

TEST(MetricsExposerTest, APortInUseIsAnErrorThatNamesIt) {
  const std::unique_ptr<Metrics> metrics = CreateMetrics();
  ASSERT_OK_AND_ASSIGN(const std::unique_ptr<MetricsExposer> first,
                       MetricsExposer::Start("127.0.0.1:0", *metrics));
  EXPECT_THAT(MetricsExposer::Start(first->address(), *metrics),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("cannot serve metrics on " + first->address() + ": ")));
}

TEST(MetricsExposerTest, AnAddressNeedsAHostAndAPort) {
  const std::unique_ptr<Metrics> metrics = CreateMetrics();
  for (const char* address :
       {"9464", ":9464", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:9464s"}) {
    EXPECT_THAT(MetricsExposer::Start(address, *metrics),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         AllOf(HasSubstr(address), HasSubstr("expected host:port"))));
  }
}

}  // namespace
}  // namespace strided
