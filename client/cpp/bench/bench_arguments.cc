#include "client/cpp/bench/bench_arguments.h"

#include <CLI/CLI.hpp>

#include "absl/strings/str_cat.h"
#include "client/cpp/command/media_codes.h"
#include "client/cpp/command/outcome.h"
#include "client/cpp/command/values.h"
#include "client/cpp/output/byte_sink.h"

namespace strided::client {
namespace {

using OptionalText = std::optional<std::string>;

constexpr uint32_t kMostStreams = 65'536;
constexpr uint32_t kMostThreads = 256;
// A second; an arrival that is too many to send takes 0.2 us.
constexpr int kMostArrivals = 1'000'000;
constexpr absl::Duration kDefaultDuration = absl::Seconds(10);

constexpr char kFooter[] = R"(Examples:
  stride-bench --model text --streams 64 --prompt-tokens 32 --max-new-tokens 500 --warmup 2s --duration 20s
  stride-bench --model text --arrival-rate 20 --max-new-tokens 100 --duration 60s --json result.json
  stride-bench --model image --streams 8 --requests 100
  stride-bench --model text --score --prompt-tokens 1000 --streams 4
Exit codes:
  0    every request ended well
  1    a request was refused or failed, or the output cannot be written
  2    the arguments, or files that they name, are wrong
  3    no server answers
  130  interrupted; what was measured so far is printed)";

void AddLoad(BenchArguments& arguments, CLI::App* program) {
  constexpr char kGroup[] = "Load";
  const auto add = [&](const char* flag, auto& value, const char* help, const char* type) {
    program->add_option(flag, value, help)->type_name(type)->group(kGroup);
  };
  add("--streams", arguments.streams,
      "Closed loop: so many requests at a time, the next as one ends; unset: 1", "N");
  add("--think-time", arguments.think_time, "How long a stream waits before its next request",
      "TIME");
  add("--arrival-rate", arguments.arrival_rate,
      "Open loop: so many requests per second, as a Poisson process, whatever becomes of them",
      "R");
  add("--warmup", arguments.warmup, "Run for this time before anything is counted; unset: none",
      "TIME");
  add("--duration", arguments.duration,
      "Measure for this time, then cut what is still running; unset: 10s", "TIME");
  add("--requests", arguments.requests, "Measure until so many requests have ended", "N");
  add("--load-seed", arguments.load_seed, "Repeats prompts and arrivals; unset: 1", "N");
  add("--threads", arguments.threads, "Threads that carry the streams; unset: 1", "N");
  add("--channels", arguments.channels, "Connections, shared by the streams; unset: one per thread",
      "N");
}

void AddRequest(BenchArguments& arguments, CLI::App* program) {
  constexpr char kGroup[] = "Request";
  program->add_option("--model", arguments.model, "\"name\" or \"name/version\"")
      ->type_name("NAME")
      ->group(kGroup);
  program->add_flag("--score", arguments.score, "Score sequences instead of generating")
      ->group(kGroup);
  program
      ->add_option("--prompt-tokens", arguments.prompt_tokens,
                   "Random tokens that are given, others in every request; unset: 0")
      ->type_name("N")
      ->group(kGroup);
  program
      ->add_option("--prompt-file", arguments.prompt_file,
                   "File that is given instead: bytes, a PNG image, a WAV file; -: standard input")
      ->type_name("FILE")
      ->group(kGroup);
  program
      ->add_option("--max-tokens-per-message", arguments.max_tokens_per_message,
                   "1: a message for every token; unset: as many as have gathered")
      ->type_name("N")
      ->group(kGroup);
}

// What `flag` says, or `otherwise`; from 1 to `most`.
absl::StatusOr<int> ParseCount(absl::string_view flag, const OptionalText& text, int otherwise,
                               uint32_t most) {
  if (!text.has_value()) return otherwise;
  const absl::StatusOr<uint32_t> count = ParseUint32(flag, *text);
  if (!count.ok()) return count.status();
  if (*count >= 1 && *count <= most) return static_cast<int>(*count);
  return UsageError(absl::StrCat(flag, ": ", *count, " is not 1 to ", most));
}

absl::StatusOr<uint64_t> ParseNumber(absl::string_view flag, const OptionalText& text,
                                     uint64_t otherwise) {
  if (!text.has_value()) return otherwise;
  return ParseUint64(flag, *text);
}

absl::StatusOr<absl::Duration> ParseTime(absl::string_view flag, const OptionalText& text,
                                         absl::Duration otherwise) {
  if (!text.has_value()) return otherwise;
  return ParseDuration(flag, *text);
}

absl::Status CheckTogether(const BenchArguments& arguments) {
  if (arguments.requests.has_value() && arguments.duration.has_value()) {
    return UsageError("--requests and --duration exclude each other");
  }
  if (arguments.arrival_rate.has_value() &&
      (arguments.streams.has_value() || arguments.think_time.has_value())) {
    return UsageError("--arrival-rate is an open loop: it excludes --streams and --think-time");
  }
  if (arguments.prompt_tokens.has_value() && !arguments.prompt_file.empty()) {
    return UsageError("--prompt-tokens and --prompt-file exclude each other");
  }
  if (arguments.score && !arguments.prompt_tokens.has_value() && arguments.prompt_file.empty()) {
    return UsageError("--score needs --prompt-tokens or --prompt-file");
  }
  return absl::OkStatus();
}

absl::StatusOr<LoadPlan> ParseWindow(const BenchArguments& arguments) {
  LoadPlan plan;
  const auto warmup = ParseTime("--warmup", arguments.warmup, plan.warmup);
  if (!warmup.ok()) return warmup.status();
  plan.warmup = *warmup;
  if (arguments.requests.has_value()) {
    const absl::StatusOr<uint64_t> requests = ParseUint64("--requests", *arguments.requests);
    if (!requests.ok()) return requests.status();
    if (*requests == 0) return UsageError("--requests: 0 is not 1 or more");
    plan.requests = *requests;
    return plan;
  }
  const auto duration = ParseTime("--duration", arguments.duration, kDefaultDuration);
  if (!duration.ok()) return duration.status();
  plan.duration = *duration;
  return plan;
}

absl::StatusOr<LoadPlan> WithArrivals(LoadPlan plan, const BenchArguments& arguments) {
  const absl::StatusOr<int> streams =
      ParseCount("--streams", arguments.streams, plan.streams, kMostStreams);
  if (!streams.ok()) return streams.status();
  plan.streams = *streams;
  const auto think = ParseTime("--think-time", arguments.think_time, plan.think_time);
  if (!think.ok()) return think.status();
  plan.think_time = *think;
  const auto seed = ParseNumber("--load-seed", arguments.load_seed, plan.seed);
  if (!seed.ok()) return seed.status();
  plan.seed = *seed;
  if (!arguments.arrival_rate.has_value()) return plan;
  const absl::StatusOr<float> rate = ParseFloat("--arrival-rate", *arguments.arrival_rate);
  if (!rate.ok()) return rate.status();
  if (!(*rate > 0 && *rate <= kMostArrivals)) {
    return UsageError(absl::StrCat("--arrival-rate: ", *rate, " is not greater than 0 and at most ",
                                   kMostArrivals));
  }
  plan.arrival_rate = *rate;
  return plan;
}

absl::StatusOr<v1::GenerateRequest> ParseBase(const BenchArguments& arguments) {
  v1::GenerateRequest base;
  absl::StatusOr<v1::SamplingParams> sampling = arguments.sampling.Parse();
  if (!sampling.ok()) return sampling.status();
  *base.mutable_sampling() = *std::move(sampling);
  if (arguments.max_tokens_per_message.has_value()) {
    const auto most = ParseUint32("--max-tokens-per-message", *arguments.max_tokens_per_message);
    if (!most.ok()) return most.status();
    base.mutable_output()->set_max_tokens_per_message(*most);
  }
  if (arguments.score && (base.sampling().ByteSizeLong() > 0 || base.has_output())) {
    return UsageError("--score takes no flags of sampling, and no --max-tokens-per-message");
  }
  return base;
}

}  // namespace

void BenchArguments::AddTo(CLI::App* program) {
  AddLoad(*this, program);
  AddRequest(*this, program);
  sampling.AddTo(program);
  constexpr char kGroup[] = "Output";
  program
      ->add_option("--json", json,
                   "Write the result as a JSON object, too; -: instead of the table")
      ->type_name("FILE")
      ->group(kGroup);
  program->add_flag("--quiet", quiet, "No live line")->group(kGroup);
  connection.AddTo(program);
  program->footer(kFooter);
}

absl::StatusOr<BenchOrder> OrderOf(const BenchArguments& arguments) {
  if (absl::Status status = CheckTogether(arguments); !status.ok()) return status;
  BenchOrder order;
  const absl::StatusOr<LoadPlan> plan = ParseWindow(arguments);
  if (!plan.ok()) return plan.status();
  const absl::StatusOr<LoadPlan> whole_plan = WithArrivals(*plan, arguments);
  if (!whole_plan.ok()) return whole_plan.status();
  order.plan = *whole_plan;
  const absl::StatusOr<int> threads = ParseCount("--threads", arguments.threads, 1, kMostThreads);
  if (!threads.ok()) return threads.status();
  order.threads = *threads;
  if (!order.plan.arrival_rate.has_value() && *threads > order.plan.streams) {
    return UsageError(
        absl::StrCat("--threads: ", *threads, " is more than the streams, ", order.plan.streams));
  }
  const absl::StatusOr<int> channels =
      ParseCount("--channels", arguments.channels, *threads, kMostStreams);
  if (!channels.ok()) return channels.status();
  order.channels = *channels;
  if (*channels < *threads) {
    return UsageError(absl::StrCat("--channels: ", *channels, " is less than one for each of ",
                                   *threads, " threads"));
  }
  absl::StatusOr<v1::GenerateRequest> base = ParseBase(arguments);
  if (!base.ok()) return base.status();
  order.base = *std::move(base);
  return order;
}

absl::StatusOr<RequestSource::Sequences> SequencesOf(const BenchArguments& arguments,
                                                     const v1::Model& model) {
  RequestSource::Sequences sequences;
  const auto seed = ParseNumber("--load-seed", arguments.load_seed, sequences.seed);
  if (!seed.ok()) return seed.status();
  sequences.seed = *seed;
  const auto tokens = ParseNumber("--prompt-tokens", arguments.prompt_tokens, 0);
  if (!tokens.ok()) return tokens.status();
  if (*tokens > model.context_length()) {
    return UsageError(absl::StrCat("--prompt-tokens: ", *tokens, " is more than the context of '",
                                   model.name(), "', ", model.context_length()));
  }
  if (arguments.score && arguments.prompt_file.empty() && *tokens == 0) {
    return UsageError("--prompt-tokens: 0 is nothing to score");
  }
  sequences.tokens = *tokens;
  if (!arguments.prompt_file.empty()) {
    const absl::StatusOr<std::string> file = ReadInput(arguments.prompt_file);
    if (!file.ok()) return AsUsageError(file.status());
    absl::StatusOr<std::string> codes =
        arguments.score ? CodesOf(*file, model) : PromptOf(*file, /*rows=*/std::nullopt, model);
    if (!codes.ok()) return codes.status();
    sequences.codes = *std::move(codes);
  }
  return sequences;
}

}  // namespace strided::client
