#include "server/config/setting_table.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "engine/base/status_macros.h"
#include "server/config/setting_value.h"

namespace strided {
namespace {

using Durations = ValueRange<absl::Duration>;

constexpr int64_t kKiB = 1 << 10;
constexpr int64_t kMiB = kKiB << 10;
constexpr int64_t kTiB = kMiB << 20;

std::string Quoted(absl::string_view text) {
  return absl::StrCat("\"", absl::CHexEscape(text), "\"");
}

struct Row {
  std::string name;
  std::string group;
  std::string meaning;
};

// A setting of one value. `parse` takes text and gives StatusOr<T>; `write` takes a T.
template <typename T, typename Parse, typename Write>
Setting Single(const Row& row, const std::string& type, T& value, Parse parse, Write write) {
  return {.name = row.name,
          .group = row.group,
          .meaning = row.meaning,
          .type = type,
          .set = [&value, parse](const std::vector<std::string>& texts) -> absl::Status {
            if (texts.size() != 1) return absl::InvalidArgumentError("one value");
            ASSIGN_OR_RETURN(value, parse(texts.front()));
            return absl::OkStatus();
          },
          .text = [&value, write] { return write(value); }};
}

Setting Count(const Row& row, int& value, ValueRange<int> range) {
  return Single(
      row, "COUNT", value, [range](const std::string& text) { return ParseCount(text, range); },
      [](int count) { return absl::StrCat(count); });
}

Setting Bytes(const Row& row, int64_t& value, ValueRange<int64_t> range) {
  return Single(
      row, "BYTES", value, [range](const std::string& text) { return ParseBytes(text, range); },
      [](int64_t bytes) { return Quoted(FormatBytes(bytes)); });
}

// `parse` as for Single; "auto" is no value.
template <typename T, typename Parse, typename Write>
Setting OrAuto(const Row& row, const std::string& type, std::optional<T>& value, Parse parse,
               Write write) {
  const auto parse_or_auto = [parse](const std::string& text) -> absl::StatusOr<std::optional<T>> {
    if (text == "auto") return std::nullopt;
    absl::StatusOr<T> parsed = parse(text);
    if (parsed.ok()) return *parsed;
    return absl::InvalidArgumentError(absl::StrCat("auto, or ", parsed.status().message()));
  };
  return Single(row, type + "|auto", value, parse_or_auto,
                [write](const std::optional<T>& present) {
                  return present.has_value() ? write(*present) : Quoted("auto");
                });
}

Setting CountOrAuto(const Row& row, std::optional<int>& value, ValueRange<int> range) {
  return OrAuto(
      row, "COUNT", value, [range](const std::string& text) { return ParseCount(text, range); },
      [](int count) { return absl::StrCat(count); });
}

Setting BytesOrAuto(const Row& row, std::optional<int64_t>& value, ValueRange<int64_t> range) {
  return OrAuto(
      row, "BYTES", value, [range](const std::string& text) { return ParseBytes(text, range); },
      [](int64_t bytes) { return Quoted(FormatBytes(bytes)); });
}

Setting Fraction(const Row& row, double& value, ValueRange<double> range) {
  return Single(
      row, "FRACTION", value,
      [range](const std::string& text) { return ParseFraction(text, range); },
      [](double fraction) { return absl::StrCat(fraction); });
}

Setting Time(const Row& row, absl::Duration& value, Durations range) {
  return Single(
      row, "TIME", value, [range](const std::string& text) { return ParseDuration(text, range); },
      [](absl::Duration time) { return Quoted(absl::FormatDuration(time)); });
}

template <typename Parse>
Setting Text(const Row& row, const std::string& type, std::string& value, Parse parse) {
  return Single(row, type, value, parse, [](const std::string& text) { return Quoted(text); });
}

Setting Choice(const Row& row, std::string& value, std::vector<std::string> choices) {
  const std::string type = absl::StrJoin(choices, "|");
  return Text(row, type, value, [choices = std::move(choices)](const std::string& text) {
    return ParseChoice(text, choices);
  });
}

using ParseText = absl::StatusOr<std::string> (*)(absl::string_view text);

// Texts may hold several elements with commas between them; an empty one holds none.
absl::StatusOr<std::vector<std::string>> ParseList(const std::vector<std::string>& texts,
                                                   ParseText parse) {
  std::vector<std::string> elements;
  for (const std::string& text : texts) {
    if (text.empty()) continue;
    for (const absl::string_view part : absl::StrSplit(text, ',')) {
      ASSIGN_OR_RETURN(std::string element, parse(part));
      elements.push_back(std::move(element));
    }
  }
  return elements;
}

std::string WriteList(const std::vector<std::string>& elements) {
  const auto quote = [](std::string* out, const std::string& element) {
    absl::StrAppend(out, Quoted(element));
  };
  return absl::StrCat("[", absl::StrJoin(elements, ", ", quote), "]");
}

// Of at least `least` elements.
Setting List(const Row& row, const std::string& type, std::vector<std::string>& value,
             ParseText parse, size_t least) {
  return {.name = row.name,
          .group = row.group,
          .meaning = row.meaning,
          .type = type,
          .is_list = true,
          .set = [&value, parse, least](const std::vector<std::string>& texts) -> absl::Status {
            ASSIGN_OR_RETURN(std::vector<std::string> elements, ParseList(texts, parse));
            if (elements.size() < least) return absl::InvalidArgumentError("at least one");
            value = std::move(elements);
            return absl::OkStatus();
          },
          .text = [&value] { return WriteList(value); }};
}

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
