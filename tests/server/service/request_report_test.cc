#include "server/service/request_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/server/service/fake_model.h"

namespace strided {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// The lines that reporting writes.
std::string LogOf(const RequestReport& report) {
  testing::internal::CaptureStderr();
  ReportRequest(report);
  return testing::internal::GetCapturedStderr();
}

RequestReport Report(absl::Status status) {
  RequestReport report;
  report.method = "Generate";
  report.request_id = "r-1";
  report.traceparent = "00-abc-def-01";
  report.status = std::move(status);
  report.time = absl::Milliseconds(250);
  report.summary.generated_tokens = 12;
  return report;
}

TEST(RequestReportTest, OneLineSaysWhatHappened) {
  RequestReport report = Report(absl::OkStatus());
  report.model = MakeFakeModel(TextConfig()).served;
  EXPECT_THAT(LogOf(report),
              AllOf(HasSubstr(R"("severity":"INFO")"), HasSubstr(R"("request_id":"r-1")"),
                    HasSubstr(R"("model":"fake")"), HasSubstr(R"("version":"1")"),
                    HasSubstr(R"("outcome":"ok")"), HasSubstr(R"("generated_tokens":12)"),
                    HasSubstr(R"("seconds":0.25)"), HasSubstr(R"("traceparent":"00-abc-def-01")")));
}

TEST(RequestReportTest, AFaultOfTheServerIsAnError) {
  EXPECT_THAT(LogOf(Report(absl::InternalError("the device failed"))),
              AllOf(HasSubstr(R"("severity":"ERROR")"), HasSubstr(R"("outcome":"engine_error")"),
                    HasSubstr(R"("error":"the device failed")")));
  EXPECT_THAT(LogOf(Report(absl::InvalidArgumentError("x"))), Not(HasSubstr("ERROR")));
}

TEST(RequestReportTest, ARequestWithoutAModelIsReportedToo) {
  EXPECT_THAT(LogOf(Report(absl::NotFoundError("no model x"))),
              AllOf(HasSubstr(R"("model":"")"), HasSubstr(R"("code":"NOT_FOUND")")));
}

}  // namespace
}  // namespace strided
