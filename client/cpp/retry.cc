#include "client/cpp/retry.h"

#include <algorithm>
#include <cmath>

#include "client/cpp/error_details.h"

namespace strided::client {
namespace {

// A server that is wrong about its own delay must not put a client to sleep for good.
constexpr absl::Duration kLongestServerWait = absl::Minutes(1);

}  // namespace

absl::Duration WaitBefore(int number, const absl::Status& failure, const RetryPolicy& policy) {
  const absl::Duration own =
      std::min(policy.longest_wait, policy.first_wait * std::exp2(std::min(number, 30)));
  const absl::Duration asked =
      std::min(DetailsOf(failure).retry_delay.value_or(absl::ZeroDuration()), kLongestServerWait);
  return std::max(own, asked);
}

bool MaySucceedLater(const absl::Status& failure) { return absl::IsUnavailable(failure); }

}  // namespace strided::client
