#include "server/observability/families.h"

namespace strided {
namespace {

CounterFamily& Counters(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
}

GaugeFamily& Gauges(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
}

HistogramFamily& Histograms(prometheus::Registry& registry, const char* name, const char* help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
}

}  // namespace

const prometheus::Histogram::BucketBoundaries kDurationBuckets = {
    .0005, .001, .002, .005, .01, .02, .05, .1,  .2,   .5,  1,
    2,     5,    10,   20,   50,  100, 200, 500, 1000, 1800};
const prometheus::Histogram::BucketBoundaries kFirstTokenBuckets = {
    .0005, .001, .002, .005, .01, .02, .04, .06, .08, .1,
    .15,   .25,  .5,   .75,  1,   2.5, 5,   10,  30,  120};
const prometheus::Histogram::BucketBoundaries kInterTokenBuckets = {
    .00005, .0001, .0002, .0005, .001, .002, .003, .005, .0075, .01, .015, .025, .05, .1, .25, 1};
const prometheus::Histogram::BucketBoundaries kStepBuckets = kInterTokenBuckets;
const prometheus::Histogram::BucketBoundaries kRowBuckets = {1,  2,   4,   8,   16,  32,
                                                             64, 128, 256, 512, 1024};
const prometheus::Histogram::BucketBoundaries kCancelBuckets = {
    .0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5};

MetricFamilies::MetricFamilies(prometheus::Registry& registry)
    : requests(Counters(registry, "strided_requests_total", "Requests that ended, by outcome")),
      device_requests(Counters(registry, "strided_device_requests_total",
                               "Requests by the device that they went to")),
      requests_running(
          Gauges(registry, "strided_requests_running", "Requests with a sequence in the batch")),
      requests_waiting(Gauges(registry, "strided_requests_waiting", "Requests that wait")),
      sequences_running(
          Gauges(registry, "strided_sequences_running", "Sequences that hold a slot")),
      slots(Gauges(registry, "strided_slots_total", "Sequences that may hold a slot at once")),
      queue_time(Histograms(registry, "strided_queue_seconds", "From submission to a slot")),
      prefill_time(
          Histograms(registry, "strided_prefill_seconds", "From a slot to the first token")),
      decode_time(
          Histograms(registry, "strided_decode_seconds", "From the first token to the last")),
      request_time(Histograms(registry, "strided_request_seconds", "From submission to the end")),
      first_token(Histograms(registry, "strided_time_to_first_token_seconds",
                             "From submission to the first token")),
      inter_token(Histograms(registry, "strided_inter_token_seconds",
                             "Between two tokens of one sequence")),
      prompt_tokens(Counters(registry, "strided_prompt_tokens_total", "Prompt tokens taken on")),
      generated_tokens(Counters(registry, "strided_generated_tokens_total", "Tokens drawn")),
      cached_tokens(Counters(registry, "strided_cached_prompt_tokens_total",
                             "Prompt tokens that a kept cache saved from being run")),
      step_time(Histograms(registry, "strided_step_seconds", "One step of the executor")),
      step_rows(Histograms(registry, "strided_step_batch_size", "Rows of one step")),
      cache_bytes(Gauges(registry, "strided_cache_bytes", "Key and value caches, by state")),
      preemptions(
          Counters(registry, "strided_preemptions_total", "Sequences that gave up their slot")),
      replayed_tokens(Counters(registry, "strided_replayed_tokens_total",
                               "Tokens run once more after a preemption or a resume")),
      wasted_tokens(Counters(registry, "strided_wasted_tokens_total",
                             "Tokens drawn that no client was given")),
      streams_paused(Gauges(registry, "strided_stream_paused", "Streams whose reader is behind")),
      mailbox_tokens(
          Gauges(registry, "strided_stream_mailbox_tokens", "Tokens drawn and not yet written")),
      cancel_to_free(Histograms(registry, "strided_cancel_to_free_seconds",
                                "From a cancellation until the request's slots are free")),
      model_state(Gauges(registry, "strided_model_state", "1 for the state that a model is in")),
      model_load_time(
          Gauges(registry, "strided_model_load_seconds", "Time that loading and warming took")),
      model_info(Gauges(registry, "strided_model_info", "1; names the fingerprint that is served")),
      engine_healthy(
          Gauges(registry, "strided_engine_healthy", "1 while steps succeed and come in time")),
      last_step(Gauges(registry, "strided_engine_last_step_timestamp_seconds",
                       "When the last step ended, in seconds since 1970")),
      non_finite(Counters(registry, "strided_non_finite_logits_total",
                          "Rows whose logits held a NaN or an infinity")),
      device_memory(Gauges(registry, "strided_device_memory_bytes",
                           "Memory of a GPU: what models take, and what is free")),
      objects_created(Counters(registry, "strided_objects_created_total",
                               "Objects of a request's life that were made")),
      objects_released(Counters(registry, "strided_objects_released_total",
                                "Of those, how many have ended; a lasting difference is a leak")),
      build_info(Gauges(registry, "strided_build_info", "1; names the program")),
      rpc_started(Counters(registry, "grpc_server_started_total", "Calls begun")),
      rpc_handled(Counters(registry, "grpc_server_handled_total", "Calls ended, by status code")),
      rpc_received(Counters(registry, "grpc_server_msg_received_total", "Messages received")),
      rpc_sent(Counters(registry, "grpc_server_msg_sent_total", "Messages sent")),
      rpc_time(
          Histograms(registry, "grpc_server_handling_seconds", "From a call's begin to its end")) {}

}  // namespace strided
