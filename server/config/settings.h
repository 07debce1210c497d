// Everything that an operator can set, one struct per concern. Each field says its default, its
// unit, its range and what it does; setting_table.cc checks the ranges, and nothing else does.

#ifndef STRIDED_SERVER_CONFIG_SETTINGS_H_
#define STRIDED_SERVER_CONFIG_SETTINGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace strided {

// Where clients connect, and what a connection may do.
struct ListenSettings {
  // --listen: each "host:port" (port 0: a free one) or "unix:/path"; at least one. Loopback unless
  // told otherwise.
  std::vector<std::string> addresses = {"127.0.0.1:50051"};
  // Bytes, 4 KiB to 256 MiB: the largest message that a client may send.
  int64_t max_receive_bytes = int64_t{16} << 20;
  // 100 ms to 24 h: a connection that is silent for so long is pinged ...
  absl::Duration keepalive_time = absl::Seconds(30);
  // ... and closed if no answer comes within this, 100 ms to 1 h. Together, how long a client that
  // froze keeps its slots.
  absl::Duration keepalive_timeout = absl::Seconds(10);
};

struct MetricsSettings {
  // --metrics_listen: "host:port" of the HTTP endpoint /metrics; empty or "off": none.
  std::string address = "127.0.0.1:9464";
};

// Which models are served, and on what.
struct ModelSettings {
  std::string repository;  // directory of <model>/<version>/; must be set
  // "exit" or "serve": what the server does where a model cannot be loaded. "serve" goes on with
  // the others, as long as there is one.
  std::string on_failure = "exit";
  // "auto", the first GPU where there is one, else the processor; "cpu"; "cuda", the first GPU;
  // "cuda:N". One that is not there, or not built in, is an error.
  std::string device = "auto";
  // "cuda:N" once or more, or "all": every model is on each of these GPUs, and a request goes to
  // the one with the most room. Empty: `device` alone; else `device` must be "auto".
  std::vector<std::string> devices;
  // Of the weights in memory: "float32", "bfloat16", "float16", "int8", "float8"; "auto": int8
  // where the stored ones are; on a processor bfloat16 or float32, which loses least; on a GPU
  // float16 as stored, else bfloat16. A processor has no float16 and no float8.
  std::string weight_format = "auto";
  // Of generated tokens on a GPU: "graph", kernels in CUDA graphs, for every network; "cluster",
  // the whole network in one kernel, an error for a network or a GPU that has none; "auto": cluster
  // where that is known to be faster, else graph.
  std::string decode_path = "auto";
  // Of keys and values: "auto", as the weights' format has them; "int8", with a scale for each key
  // and each value, half of the memory and of what a step reads: on a GPU, for models that have no
  // cluster path in use (decode_path).
  std::string cache_format = "auto";
  int threads = 0;  // 0 to 1024, of a CPU executor; 0: one per core
  // 1 MiB to 16 TiB: caches of all sequences of a model on one device. Unset, "auto": 1 GiB on a
  // processor; on a GPU what gpu_memory_fraction leaves beside the weights.
  std::optional<int64_t> cache_bytes;
  // 0.05 to 1 of the memory that is free on a GPU before the first model is loaded: for weights,
  // caches and workspace of all models, in equal parts.
  double gpu_memory_fraction = 0.9;
};

// Who is served when.
struct SchedulingSettings {
  // 1 to 1,000,000: requests that are waiting or running at once; the next is refused.
  int max_requests = 1024;
  // 1 to 4,096: samples of a model that share a device's steps. Unset, "auto": 64 on a processor,
  // 256 on a GPU.
  std::optional<int> max_sequences;
  // 1 to 4,096: prompt tokens of a step beside the samples' rows. Unset, "auto": 64 on a processor,
  // 2,048 on a GPU.
  std::optional<int> prefill_rows_per_step;
  // 0 s to 100 ms within which the steps that a GPU runs at one go should end; 0: one at a time.
  absl::Duration launch_limit = absl::Milliseconds(10);
  // 0 s to 24 h that a reader may be behind before its slots go to others ...
  absl::Duration paused_slot_limit = absl::Seconds(30);
  // ... and before its request ends with SLOW_READER; not below paused_slot_limit.
  absl::Duration paused_request_limit = absl::Seconds(300);
};

// When an engine counts as ill. Both 100 ms to 24 h of one step.
struct WatchdogSettings {
  // Health is NOT_SERVING while a step has run for longer.
  absl::Duration slow_step_limit = absl::Seconds(2);
  // After it the step is taken for hung, and the process ends with kExitEngineFault. Not below
  // slow_step_limit.
  absl::Duration hung_step_limit = absl::Seconds(60);
};

// SIGTERM, step by step (server.h).
struct DrainSettings {
  // 0 s to 1 h: requests are still accepted for so long after health has become NOT_SERVING, until
  // load balancers have seen it.
  absl::Duration delay = absl::Seconds(5);
  // 0 s to 24 h: admitted streams may go on for so long after that; then they are cut.
  absl::Duration grace = absl::Seconds(300);
};

struct LogSettings {
  std::string severity = "info";  // least that is written: "debug", "info", "warning", "error"
};

struct ServerSettings {
  ListenSettings listen;
  MetricsSettings metrics;
  ModelSettings models;
  SchedulingSettings scheduling;
  WatchdogSettings watchdog;
  DrainSettings drain;
  LogSettings log;
};

}  // namespace strided

#endif  // STRIDED_SERVER_CONFIG_SETTINGS_H_
