#include "client/cpp/summary_times.h"

#include "client/cpp/proto_time.h"

namespace strided::client {
namespace {

using google::protobuf::Duration;

Duration Longer(const Duration& a, const Duration& b) {
  return FromProto(a) < FromProto(b) ? b : a;
}

Duration Sum(const Duration& a, const Duration& b) { return ToProto(FromProto(a) + FromProto(b)); }

}  // namespace

v1::Summary LongestTimes(const v1::Summary& a, const v1::Summary& b) {
  v1::Summary both;
  *both.mutable_queue_time() = Longer(a.queue_time(), b.queue_time());
  *both.mutable_prefill_time() = Longer(a.prefill_time(), b.prefill_time());
  *both.mutable_time_to_first_token() = Longer(a.time_to_first_token(), b.time_to_first_token());
  *both.mutable_decode_time() = Longer(a.decode_time(), b.decode_time());
  both.set_preemptions(a.preemptions() + b.preemptions());
  return both;
}

v1::Summary TimesInTurn(const v1::Summary& first, const v1::Summary& then) {
  v1::Summary both;
  *both.mutable_queue_time() = Sum(first.queue_time(), then.queue_time());
  *both.mutable_prefill_time() = Sum(first.prefill_time(), then.prefill_time());
  *both.mutable_time_to_first_token() = first.time_to_first_token();
  *both.mutable_decode_time() = Sum(first.decode_time(), then.decode_time());
  both.set_preemptions(first.preemptions() + then.preemptions());
  return both;
}

}  // namespace strided::client
