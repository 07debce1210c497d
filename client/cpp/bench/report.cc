#include "client/cpp/bench/report.h"

#include <array>
#include <thread>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "client/cpp/output/numbers.h"
#include "client/cpp/output/utf8.h"

namespace strided::client {
namespace {

struct Percentile {
  const char* name;
  double share;
};
constexpr std::array<Percentile, 5> kPercentiles = {
    {{"p50", 0.5}, {"p90", 0.9}, {"p95", 0.95}, {"p99", 0.99}, {"p99.9", 0.999}}};

struct NamedTimes {
  const char* name;
  Histogram Measurements::*times;
};
constexpr std::array<NamedTimes, 5> kTimes = {
    {{"time to first token", &Measurements::time_to_first_token},
     {"inter-token time", &Measurements::inter_token_time},
     {"message gap", &Measurements::message_gap},
     {"request time", &Measurements::request_time},
     {"start delay", &Measurements::start_delay}}};

// A loop that works or waits for a core for more than this share of the time has a queue of its
// own, which may be part of the times.
constexpr double kBusyLoop = 0.8;

double PerSecond(uint64_t count, absl::Duration window) {
  return window > absl::ZeroDuration() ? static_cast<double>(count) / absl::ToDoubleSeconds(window)
                                       : 0;
}

double Milliseconds(absl::Duration duration) { return absl::ToDoubleMilliseconds(duration); }

std::string LoadLine(const LoadPlan& plan) {
  if (plan.arrival_rate.has_value()) {
    return absl::StrCat("open loop, ", ShortNumber(*plan.arrival_rate), " requests/s");
  }
  std::string line = absl::StrCat("closed loop, ", WithCommas(static_cast<uint64_t>(plan.streams)),
                                  plan.streams == 1 ? " stream" : " streams");
  if (plan.think_time > absl::ZeroDuration()) {
    absl::StrAppend(&line, ", think time ", absl::FormatDuration(plan.think_time));
  }
  return line;
}

std::string RequestLines(const Measurements& m) {
  std::string lines =
      absl::StrCat("requests     ok ", WithCommas(m.ok), ", refused ", WithCommas(m.refused),
                   ", failed ", WithCommas(m.failed), ", cut at the end ", WithCommas(m.cut), "\n");
  for (const auto& [kind, error] : m.errors) {
    const auto& [code, reason] = kind;
    // Where there is no more special reason, the server repeats the code.
    const bool has_reason = !reason.empty() && reason != code;
    absl::StrAppend(&lines, "  ", WithCommas(error.count), " x ", code,
                    has_reason ? absl::StrCat(" ", reason) : "", ": ",
                    WithoutControls(Utf8Joiner().Add(error.message)), "\n");
  }
  return lines;
}

std::string RateLines(const Measurements& m, absl::Duration window) {
  const double per_message =
      m.messages == 0 ? 0 : static_cast<double>(m.tokens) / static_cast<double>(m.messages);
  return absl::StrFormat(
      "tokens       %s, %s tokens/s\n"
      "messages     %s, %s messages/s, %s tokens each, %s, %s/s\n",
      WithCommas(m.tokens), ShortNumber(PerSecond(m.tokens, window)), WithCommas(m.messages),
      ShortNumber(PerSecond(m.messages, window)), ShortNumber(per_message),
      BinaryBytes(m.message_bytes),
      BinaryBytes(static_cast<uint64_t>(PerSecond(m.message_bytes, window))));
}

// In a column of the table; of nothing there is no time.
std::string TimeCell(const Histogram& histogram, absl::Duration time) {
  const std::string text = histogram.count() == 0 ? "-" : ShortNumber(Milliseconds(time));
  return absl::StrFormat(" %10s", text);
}

std::string TimeLines(const Measurements& m) {
  std::string lines = absl::StrFormat("%-20s %10s", "milliseconds", "mean");
  for (const Percentile& p : kPercentiles) absl::StrAppendFormat(&lines, " %10s", p.name);
  absl::StrAppendFormat(&lines, " %10s %12s\n", "max", "count");
  for (const auto& [name, times] : kTimes) {
    const Histogram& histogram = m.*times;
    absl::StrAppendFormat(&lines, "%-20s", name);
    lines += TimeCell(histogram, histogram.Mean());
    for (const Percentile& p : kPercentiles) {
      lines += TimeCell(histogram, histogram.Quantile(p.share));
    }
    lines += TimeCell(histogram, histogram.max());
    absl::StrAppendFormat(&lines, " %12s\n", WithCommas(histogram.count()));
  }
  return lines;
}

std::string ClientLine(const LoadResult& result) {
  const ThreadLoad& busiest = result.busiest_loop;
  return absl::StrFormat(
      "client       %.2f of %d cores; its busiest thread works %.0f %% of the time and waits for a "
      "core %.0f %%%s\n",
      result.client_cores, std::thread::hardware_concurrency(), busiest.works * 100,
      busiest.waits * 100, busiest.sum() > kBusyLoop ? ": the client may be the limit" : "");
}

Json TimesJson(const Histogram& histogram) {
  Json object = {{"count", histogram.count()}};
  if (histogram.count() == 0) return object;
  object["mean"] = absl::ToDoubleSeconds(histogram.Mean());
  for (const Percentile& p : kPercentiles) {
    object[p.name] = absl::ToDoubleSeconds(histogram.Quantile(p.share));
  }
  object["max"] = absl::ToDoubleSeconds(histogram.max());
  return object;
}

Json LoadJson(const ReportHeading& heading) {
  const LoadPlan& plan = heading.plan;
  Json object = {{"address", heading.address},
                 {"model", heading.model.name()},
                 {"model_version", heading.model.version()},
                 {"model_fingerprint", heading.model.fingerprint()},
                 {"method", heading.score ? "Score" : "Generate"},
                 {"loop", plan.arrival_rate.has_value() ? "open" : "closed"}};
  if (plan.arrival_rate.has_value()) {
    object["arrival_rate"] = *plan.arrival_rate;
  } else {
    object["streams"] = plan.streams;
    object["think_time"] = absl::ToDoubleSeconds(plan.think_time);
  }
  object["threads"] = heading.threads;
  object["channels"] = heading.channels;
  object["warmup"] = absl::ToDoubleSeconds(plan.warmup);
  return object;
}

Json ErrorsJson(const Measurements& m) {
  Json errors = Json::array();
  for (const auto& [kind, error] : m.errors) {
    errors.push_back({{"code", kind.first},
                      {"reason", kind.second},
                      {"count", error.count},
                      {"message", error.message}});
  }
  return errors;
}

}  // namespace

std::string ReportTable(const ReportHeading& heading, const LoadResult& result) {
  const Measurements& m = result.measurements;
  return absl::StrCat(
      "model        ", heading.model.name(), "/", heading.model.version(), " at ", heading.address,
      ", ", heading.score ? "Score" : "Generate", "\n",                                    //
      "load         ", LoadLine(heading.plan), ", ", heading.channels, " x connection, ",  //
      heading.threads, " x thread\n",                                                      //
      "window       ", ShortNumber(absl::ToDoubleSeconds(result.window)), " s after ",     //
      ShortNumber(absl::ToDoubleSeconds(heading.plan.warmup)), " s of warm-up\n",          //
      RequestLines(m), RateLines(m, result.window), ClientLine(result), "\n", TimeLines(m));
}

Json ReportJson(const ReportHeading& heading, const LoadResult& result) {
  const Measurements& m = result.measurements;
  Json object = LoadJson(heading);
  object["window"] = absl::ToDoubleSeconds(result.window);
  object["requests"] = {{"ok", m.ok}, {"refused", m.refused}, {"failed", m.failed}, {"cut", m.cut}};
  object["errors"] = ErrorsJson(m);
  object["tokens"] = m.tokens;
  object["tokens_per_second"] = PerSecond(m.tokens, result.window);
  object["messages"] = m.messages;
  object["messages_per_second"] = PerSecond(m.messages, result.window);
  object["message_bytes"] = m.message_bytes;
  object["message_bytes_per_second"] = PerSecond(m.message_bytes, result.window);
  for (const auto& [name, times] : kTimes) {
    object[absl::StrReplaceAll(name, {{" ", "_"}, {"-", "_"}})] = TimesJson(m.*times);
  }
  object["client"] = {{"cores_used", result.client_cores},
                      {"cores", std::thread::hardware_concurrency()},
                      {"busiest_thread", result.busiest_loop.works},
                      {"busiest_thread_waits", result.busiest_loop.waits}};
  return object;
}

absl::Status OutcomeOf(const Measurements& m) {
  if (m.first_error.ok()) return absl::OkStatus();
  const uint64_t errors = m.refused + m.failed;
  // A CANCELLED that was not ours must not pass for an interruption.
  const absl::StatusCode code =
      absl::IsCancelled(m.first_error) ? absl::StatusCode::kUnknown : m.first_error.code();
  absl::Status outcome(code, absl::StrCat(WithCommas(errors), " of ", WithCommas(m.ok + errors),
                                          " requests did not end well; the first: ",
                                          std::string(m.first_error.message())));
  m.first_error.ForEachPayload([&outcome](absl::string_view url, const absl::Cord& payload) {
    outcome.SetPayload(url, payload);
  });
  return outcome;
}

}  // namespace strided::client
