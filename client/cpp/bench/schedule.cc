#include "client/cpp/bench/schedule.h"

#include <algorithm>
#include <cmath>

namespace strided::client {
namespace {

// What part `index` of `count` has of `total` things that cannot be divided.
template <typename Integer>
Integer Part(Integer total, int index, int count) {
  const auto parts = static_cast<Integer>(count);
  return total / parts + (static_cast<Integer>(index) < total % parts ? 1 : 0);
}

}  // namespace

LoadPlan ShareOf(const LoadPlan& plan, int index, int count) {
  LoadPlan share = plan;
  share.streams = Part(plan.streams, index, count);
  if (plan.requests.has_value()) share.requests = Part(*plan.requests, index, count);
  if (plan.arrival_rate.has_value()) share.arrival_rate = *plan.arrival_rate / count;
  share.seed = plan.seed + static_cast<uint64_t>(index);
  return share;
}

Schedule::Schedule(const LoadPlan& plan, absl::Time begin)
    : plan_(plan), window_begin_(begin + plan.warmup), random_(plan.seed) {
  if (plan_.arrival_rate.has_value()) {
    due_.push(begin + DrawGap());
  } else {
    for (int stream = 0; stream < plan_.streams; ++stream) due_.push(begin);
  }
}

absl::Time Schedule::next_due() const {
  const bool all_begun = plan_.requests.has_value() && begun_ == *plan_.requests;
  if (due_.empty() || all_begun || due_.top() >= window_end()) return absl::InfiniteFuture();
  return due_.top();
}

absl::Time Schedule::Begin() {
  const absl::Time due = due_.top();
  due_.pop();
  if (plan_.arrival_rate.has_value()) due_.push(due + DrawGap());
  if (Counts(due)) ++begun_;
  return due;
}

void Schedule::End(absl::Time due, absl::Time now, absl::Duration wait) {
  if (Counts(due)) ++ended_;
  if (!plan_.arrival_rate.has_value()) due_.push(now + std::max(wait, plan_.think_time));
}

bool Schedule::Over(absl::Time now) const {
  return now >= window_end() || (plan_.requests.has_value() && ended_ >= *plan_.requests);
}

absl::Time Schedule::window_end() const {
  return plan_.duration.has_value() ? window_begin_ + *plan_.duration : absl::InfiniteFuture();
}

absl::Duration Schedule::DrawGap() {
  // 53 random bits as a number in [0, 1); its complement has a logarithm.
  const double uniform = std::ldexp(static_cast<double>(random_() >> 11), -53);
  return absl::Seconds(-std::log1p(-uniform) / *plan_.arrival_rate);
}

}  // namespace strided::client
