// One request of a load, on a completion queue that many of them share.

#ifndef STRIDED_CLIENT_CPP_BENCH_LOAD_CALL_H_
#define STRIDED_CLIENT_CPP_BENCH_LOAD_CALL_H_

#include <grpcpp/completion_queue.h>

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/cpp/bench/measurements.h"
#include "client/cpp/call_options.h"
#include "strided/v1/sampling.grpc.pb.h"

namespace strided::client {

// Has one operation in flight on its queue at all times, whose tag is the LoadCall*. Used by the
// queue's one thread. Destroyed only after it has ended. A stream that breaks has failed: it is not
// resumed.
class LoadCall {
 public:
  virtual ~LoadCall() = default;

  // Takes the result `ok` of the operation in flight, which has come at `now`, and starts the next.
  // Returns how the request ended, once: then nothing is in flight. An OK stream that is not whole
  // (api: Started, Deltas without a gap, Finished, Summary; scores with totals) is an error.
  virtual std::optional<absl::Status> Advance(bool ok, absl::Time now) = 0;

  virtual RequestMeter& meter() = 0;
};

// What a call is made on. `stub` and `queue` outlive it.
struct CallSite {
  v1::SamplingService::Stub* stub;
  grpc::CompletionQueue* queue;
  std::string token;  // a bearer token; may be empty
  CallOptions options;
};

// Starts a call. Never null.
std::unique_ptr<LoadCall> StartGenerate(const CallSite& site, const v1::GenerateRequest& request,
                                        const RequestMeter& meter);
std::unique_ptr<LoadCall> StartScore(const CallSite& site, const v1::ScoreRequest& request,
                                     const RequestMeter& meter);

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_BENCH_LOAD_CALL_H_
