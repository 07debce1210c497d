// What is measured of a load, and the rules by which a request's messages enter it.

#ifndef STRIDED_CLIENT_CPP_BENCH_MEASUREMENTS_H_
#define STRIDED_CLIENT_CPP_BENCH_MEASUREMENTS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "client/cpp/bench/histogram.h"

namespace strided::client {

// How many requests ended with the same code and reason.
struct ErrorCount {
  uint64_t count = 0;
  std::string message;  // of the first
};

// Of requests: those that were due in the window, each exactly one of ok, refused, failed and cut.
// Of messages and tokens: all that came in the window, also for requests from before it.
struct Measurements {
  uint64_t ok = 0;
  uint64_t refused = 0;  // the server said no, with a reason, before it sent anything
  uint64_t failed = 0;   // any other error
  uint64_t cut = 0;      // by us, at the window's end
  // (code, reason) of those refused and failed; the reason is empty where the server gave none.
  std::map<std::pair<std::string, std::string>, ErrorCount> errors;
  absl::Status first_error;

  uint64_t messages = 0;
  uint64_t message_bytes = 0;  // as protobuf encodes them; HTTP/2 and TCP come on top
  uint64_t tokens = 0;

  Histogram start_delay;          // from when the request was due to when it was sent
  Histogram time_to_first_token;  // from when the request was due to its first message with tokens
  Histogram request_time;         // from when it was due to its status; ok ones
  // Per token: the tokens of a message share the time since their sample's last message equally.
  // Those of its first message have none.
  Histogram inter_token_time;
  // Per message with tokens: the time since its sample's last one, undivided.
  Histogram message_gap;

  void Merge(const Measurements& other);
};

// [begin, end)
struct Window {
  absl::Time begin;
  absl::Time end;
  bool Contains(absl::Time time) const { return begin <= time && time < end; }
};

// Enters one request into measurements. Times passed in do not decrease.
class RequestMeter {
 public:
  // The request was due at `due`. `window` and `into` outlive this; the window's end may be moved
  // to the present at any time.
  RequestMeter(absl::Time due, const Window* window, Measurements* into)
      : due_(due), window_(window), into_(into) {}

  absl::Time due() const { return due_; }

  // The request is sent.
  void CountStart(absl::Time now);
  // A message of `bytes` has come.
  void CountMessage(size_t bytes, absl::Time now);
  // It has `tokens` tokens of a sample; zero enters nothing.
  void CountTokens(uint32_t sample, uint64_t tokens, absl::Time now);
  // The request has ended. `cut`: because the load was over.
  void CountEnd(const absl::Status& status, bool cut, absl::Time now);

 private:
  void CountError(const absl::Status& status);

  const absl::Time due_;
  const Window* const window_;
  Measurements* const into_;
  bool any_message_ = false;
  std::map<uint32_t, absl::Time> last_tokens_;  // by sample: when its last message with tokens came
};

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_BENCH_MEASUREMENTS_H_
