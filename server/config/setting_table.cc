#include "server/config/setting_table.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/base/status_macros.h"
#include "server/config/setting_value.h"

namespace strided {
namespace {

using Durations = ValueRange<absl::Duration>;

constexpr int64_t kKiB = 1 << 10;
constexpr int64_t kMiB = kKiB << 10;
constexpr int64_t kTiB = kMiB << 20;

absl::StatusOr<std::string> ParseMetricsAddress(absl::string_view text) {
  if (text.empty() || text == "off") return std::string();
  return ParseTcpAddress(text);
}

absl::StatusOr<std::string> ParseDirectory(absl::string_view text) {
  if (!text.empty()) return std::string(text);
  return absl::InvalidArgumentError("a directory");
}

std::vector<Setting> ListenTable(ListenSettings& listen) {
  const std::string group = "Listening";
  return {
      List({"listen", group, "where clients connect: host:port or unix:/path; may be repeated"},
           "ADDRESS", listen.addresses, ParseListenAddress, 1),
      Bytes({"max_receive_bytes", group, "the largest message that a client may send"},
            listen.max_receive_bytes, {4 * kKiB, 256 * kMiB}),
      Time({"keepalive_time", group, "a connection that is silent for so long is pinged"},
           listen.keepalive_time, {absl::Milliseconds(100), absl::Hours(24)}),
      Time({"keepalive_timeout", group, "and closed if no answer comes within this"},
           listen.keepalive_timeout, {absl::Milliseconds(100), absl::Hours(1)}),
  };
}

std::vector<Setting> ModelTable(ModelSettings& models) {
  const std::string group = "Models";
  return {
      Text({"model_repository", group, "directory of <model>/<version>/; must be given"},
           "DIRECTORY", models.repository, ParseDirectory),
      Choice(
          {"on_model_failure", group, "where a model cannot be loaded: end, or serve the others"},
          models.on_failure, {"exit", "serve"}),
      Text({"device", group, "what the models run on"}, "auto|cpu|cuda|cuda:N", models.device,
           ParseDevice),
      List({"devices", group, "several GPUs for every model, instead of device; may be repeated"},
           "all|cuda:N", models.devices, ParseGpu, 0),
      Choice({"weight_format", group,
              "of the weights in memory; auto: what suits them and the device"},
             models.weight_format, {"auto", "float32", "bfloat16", "float16", "int8", "float8"}),
      Choice({"decode_path", group,
              "of generated tokens on a GPU; auto: cluster where known to be faster, else graph"},
             models.decode_path, {"auto", "graph", "cluster"}),
      Choice(
          {"cache_format", group, "of keys and values on a GPU; auto: as wide as the weights' are"},
          models.cache_format, {"auto", "int8"}),
      Count({"threads", group, "CPU threads of a model; 0: one per core"}, models.threads,
            {0, 1024}),
      BytesOrAuto({"cache_bytes", group, "caches of all sequences of a model on a device together"},
                  models.cache_bytes, {kMiB, 16 * kTiB}),
      Fraction({"gpu_memory_fraction", group, "of what is free on a GPU, for all models together"},
               models.gpu_memory_fraction, {0.05, 1}),
  };
}

std::vector<Setting> SchedulingTable(SchedulingSettings& scheduling) {
  const std::string group = "Scheduling";
  return {
      Count({"max_requests", group, "waiting and running at once; the next is refused"},
            scheduling.max_requests, {1, 1'000'000}),
      CountOrAuto({"max_sequences", group, "samples of a model that share a device's steps"},
                  scheduling.max_sequences, {1, 4096}),
      CountOrAuto(
          {"prefill_rows_per_step", group, "prompt tokens of a step beside the samples' rows"},
          scheduling.prefill_rows_per_step, {1, 4096}),
      Time({"launch_limit", group, "steps that a GPU runs at one go should end within this"},
           scheduling.launch_limit, {absl::ZeroDuration(), absl::Milliseconds(100)}),
      Time({"paused_slot_limit", group, "a reader behind for so long gives its slots to others"},
           scheduling.paused_slot_limit, {absl::ZeroDuration(), absl::Hours(24)}),
      Time({"paused_request_limit", group, "a reader behind for so long is cut off"},
           scheduling.paused_request_limit, {absl::ZeroDuration(), absl::Hours(24)}),
  };
}

std::vector<Setting> OperationTable(ServerSettings& settings) {
  const std::string group = "Operation";
  const Durations step = {absl::Milliseconds(100), absl::Hours(24)};
  return {
      Text({"metrics_listen", group, "host:port of the HTTP endpoint /metrics; off: none"},
           "ADDRESS", settings.metrics.address, ParseMetricsAddress),
      Time({"slow_step_limit", group, "health is NOT_SERVING while a step has run for longer"},
           settings.watchdog.slow_step_limit, step),
      Time({"hung_step_limit", group, "after it the process ends, to be started anew"},
           settings.watchdog.hung_step_limit, step),
      Time({"drain_delay", group, "after SIGTERM, requests are still accepted for so long"},
           settings.drain.delay, {absl::ZeroDuration(), absl::Hours(1)}),
      Time({"drain_grace", group, "after that, streams may go on for so long"},
           settings.drain.grace, {absl::ZeroDuration(), absl::Hours(24)}),
      Choice({"log_severity", group, "the least that is logged"}, settings.log.severity,
             {"debug", "info", "warning", "error"}),
  };
}

absl::Status CheckDevices(const ModelSettings& models) {
  const std::vector<std::string>& devices = models.devices;
  const std::string given = absl::StrJoin(devices, ",");
  if (!devices.empty() && models.device != "auto") {
    return absl::InvalidArgumentError(absl::StrCat("device is ", models.device, " and devices is ",
                                                   given, "; expected one of the two"));
  }
  const bool all = std::find(devices.begin(), devices.end(), "all") != devices.end();
  const std::set<std::string> distinct(devices.begin(), devices.end());
  if ((all && devices.size() > 1) || distinct.size() < devices.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("devices is ", given, "; expected all alone, or each GPU once"));
  }
  return absl::OkStatus();
}

absl::Status CheckOrder(absl::string_view earlier_name, absl::Duration earlier,
                        absl::string_view later_name, absl::Duration later) {
  if (later >= earlier) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(later_name, " is ", absl::FormatDuration(later),
                                                 "; expected at least ", earlier_name, ", ",
                                                 absl::FormatDuration(earlier)));
}

}  // namespace

std::vector<Setting> SettingTable(ServerSettings& settings) {
  std::vector<Setting> table;
  for (std::vector<Setting> part :
       {ModelTable(settings.models), ListenTable(settings.listen),
        SchedulingTable(settings.scheduling), OperationTable(settings)}) {
    for (Setting& setting : part) table.push_back(std::move(setting));
  }
  return table;
}

absl::Status CheckTogether(const ServerSettings& settings) {
  if (settings.models.repository.empty()) {
    return absl::InvalidArgumentError("model_repository is not set; expected a directory");
  }
  RETURN_IF_ERROR(CheckDevices(settings.models));
  RETURN_IF_ERROR(CheckOrder("paused_slot_limit", settings.scheduling.paused_slot_limit,
                             "paused_request_limit", settings.scheduling.paused_request_limit));
  return CheckOrder("slow_step_limit", settings.watchdog.slow_step_limit, "hung_step_limit",
                    settings.watchdog.hung_step_limit);
}

}  // namespace strided
