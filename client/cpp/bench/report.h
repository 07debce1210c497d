// What a load has shown, for people and for programs.

#ifndef STRIDED_CLIENT_CPP_BENCH_REPORT_H_
#define STRIDED_CLIENT_CPP_BENCH_REPORT_H_

#include <string>

#include "absl/status/status.h"
#include "client/cpp/bench/load_run.h"
#include "client/cpp/bench/schedule.h"
#include "client/cpp/output/json.h"
#include "strided/v1/models.pb.h"

namespace strided::client {

// What was asked for.
struct ReportHeading {
  std::string address;
  v1::Model model = {};
  bool score = false;
  LoadPlan plan = {};
  int threads = 1;
  int channels = 1;
};

// A table of some lines: requests and errors, rates, times with their percentiles, the client's own
// share of the processors.
std::string ReportTable(const ReportHeading& heading, const LoadResult& result);

// The same as one object. Times are seconds, rates are per second; of times that were never
// measured there is only the count, 0.
Json ReportJson(const ReportHeading& heading, const LoadResult& result);

// OK where every request that is counted ended well or was cut; else the first error's code and
// details, with how many there were.
absl::Status OutcomeOf(const Measurements& measurements);

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_BENCH_REPORT_H_
