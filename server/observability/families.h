// Every family of series that the server exposes: its name, its help text, its buckets.

#ifndef STRIDED_SERVER_OBSERVABILITY_FAMILIES_H_
#define STRIDED_SERVER_OBSERVABILITY_FAMILIES_H_

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

namespace strided {

// Upper bounds of histogram buckets; seconds, but for kRowBuckets (rows of a step).
//
// Of a request and its parts, and of an RPC.
extern const prometheus::Histogram::BucketBoundaries kDurationBuckets;
// From submission to the first token: dense around 0.1 s.
extern const prometheus::Histogram::BucketBoundaries kFirstTokenBuckets;
// Between two tokens of a sequence.
extern const prometheus::Histogram::BucketBoundaries kInterTokenBuckets;
// Of one step.
extern const prometheus::Histogram::BucketBoundaries kStepBuckets;
extern const prometheus::Histogram::BucketBoundaries kRowBuckets;
// From a cancellation until the slots are free.
extern const prometheus::Histogram::BucketBoundaries kCancelBuckets;

using CounterFamily = prometheus::Family<prometheus::Counter>;
using GaugeFamily = prometheus::Family<prometheus::Gauge>;
using HistogramFamily = prometheus::Family<prometheus::Histogram>;

// References into a registry, which outlives this. The labels beside a field are those that its
// series have; `model` stands for the two labels model and version. Thread-safe, as families are.
struct MetricFamilies {
  // Registers every family; a family without series is not shown. Requires a registry without them.
  explicit MetricFamilies(prometheus::Registry& registry);

  CounterFamily& requests;          // model, outcome
  CounterFamily& device_requests;   // model, device
  GaugeFamily& requests_running;    // model
  GaugeFamily& requests_waiting;    // model, reason
  GaugeFamily& sequences_running;   // model
  GaugeFamily& slots;               // model
  HistogramFamily& queue_time;      // model
  HistogramFamily& prefill_time;    // model
  HistogramFamily& decode_time;     // model
  HistogramFamily& request_time;    // model
  HistogramFamily& first_token;     // model
  HistogramFamily& inter_token;     // model
  CounterFamily& prompt_tokens;     // model, modality
  CounterFamily& generated_tokens;  // model, modality
  CounterFamily& cached_tokens;     // model, modality
  HistogramFamily& step_time;       // model, phase
  HistogramFamily& step_rows;       // model, phase
  GaugeFamily& cache_bytes;         // model, state
  CounterFamily& preemptions;       // model
  CounterFamily& replayed_tokens;   // model
  CounterFamily& wasted_tokens;     // model
  GaugeFamily& streams_paused;      // model
  GaugeFamily& mailbox_tokens;      // model
  HistogramFamily& cancel_to_free;  // model
  GaugeFamily& model_state;         // model, state
  GaugeFamily& model_load_time;     // model
  GaugeFamily& model_info;          // model, fingerprint
  GaugeFamily& engine_healthy;      // model
  GaugeFamily& last_step;           // model
  CounterFamily& non_finite;        // model
  GaugeFamily& device_memory;       // device, kind
  CounterFamily& objects_created;   // object
  CounterFamily& objects_released;  // object
  GaugeFamily& build_info;          // version, compiler
  CounterFamily& rpc_started;       // grpc_type, grpc_service, grpc_method
  CounterFamily& rpc_handled;       // the same and grpc_code
  CounterFamily& rpc_received;      // as rpc_started
  CounterFamily& rpc_sent;          // as rpc_started
  HistogramFamily& rpc_time;        // as rpc_started
};

}  // namespace strided

#endif  // STRIDED_SERVER_OBSERVABILITY_FAMILIES_H_
