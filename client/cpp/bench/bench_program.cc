#include "client/cpp/bench/bench_program.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/cpp/bench/bench_arguments.h"
#include "client/cpp/bench/load_run.h"
#include "client/cpp/bench/report.h"
#include "client/cpp/command/media_codes.h"
#include "client/cpp/command/outcome.h"
#include "client/cpp/command/parsing.h"
#include "client/cpp/connection.h"
#include "client/cpp/output/live_lines.h"
#include "client/cpp/output/numbers.h"

namespace strided::client {
namespace {

constexpr char kName[] = "stride-bench";
constexpr char kVersion[] = "stride-bench " STRIDED_VERSION " (strided.v1)";

// A channel that is not connected by then connects with its first call.
constexpr absl::Duration kConnectLimit = absl::Seconds(5);

using Channels = std::vector<std::shared_ptr<grpc::Channel>>;

// Connections of the load's own, made before anything is timed.
absl::StatusOr<Channels> OpenChannels(const ConnectOptions& options, int count) {
  Channels channels;
  for (int i = 0; i < count; ++i) {
    absl::StatusOr<std::shared_ptr<grpc::Channel>> channel = OpenChannel(options);
    if (!channel.ok()) return AsUsageError(channel.status());
    channels.push_back(*std::move(channel));
    channels.back()->GetState(/*try_to_connect=*/true);
  }
  const absl::Time limit = absl::Now() + kConnectLimit;
  for (const auto& channel : channels) channel->WaitForConnected(absl::ToChronoTime(limit));
  return channels;
}

// The line that a terminal shows while the load runs, at most `columns` wide.
std::string LiveLine(const LoadLoop::Live& live, absl::Duration measured, int columns) {
  const double seconds = absl::ToDoubleSeconds(measured);
  std::string line = absl::StrCat(
      measured < absl::ZeroDuration() ? "warming up" : ClockTime(measured), "  ",
      WithCommas(live.open), " open  ok ", WithCommas(live.ok), "  errors ",
      WithCommas(live.errors), "  ", WithCommas(live.tokens), " tokens  ",
      seconds > 0 ? ShortNumber(static_cast<double>(live.tokens) / seconds) : "0", " tokens/s");
  return line.substr(0, static_cast<size_t>(std::max(1, columns - 1)));
}

// Opens the file of --json, so that a wrong path shows before any load is made. Null for none.
absl::StatusOr<std::unique_ptr<ByteSink>> OpenJson(const std::string& path) {
  if (path.empty() || path == "-") return nullptr;
  absl::StatusOr<std::unique_ptr<FileSink>> file = FileSink::Create(path);
  if (!file.ok()) return AsUsageError(file.status());
  return *std::move(file);
}

// Makes the load, with a live line where there is a terminal for it.
LoadResult RunWatched(const Load& load, const BenchOrder& order, const Channels& channels,
                      bool quiet, const Console& console) {
  LiveLines lines(console.error, console.now);
  const bool shown = console.error_terminal.interactive && !quiet;
  const absl::Time window_begin = load.begin + load.plan.warmup;
  LoadResult result = RunLoad(load, order.threads, channels, [&](const LoadLoop::Live& live) {
    if (!shown) return;
    const std::string line =
        LiveLine(live, absl::Now() - window_begin, console.error_terminal.columns());
    lines.Set(LiveLines::kProgress, line).IgnoreError();  // the result matters, not this
  });
  if (shown) lines.Clear().IgnoreError();
  return result;
}

// One call of Run, after parsing.
class Bench {
 public:
  Bench(const BenchArguments& arguments, const Console& console)
      : arguments_(arguments), console_(console) {}

  absl::Status Run() {
    const absl::StatusOr<BenchOrder> order = OrderOf(arguments_);
    if (!order.ok()) return order.status();
    const absl::StatusOr<CallOptions> options = arguments_.connection.Options(console_);
    if (!options.ok()) return options.status();
    const absl::StatusOr<std::unique_ptr<ByteSink>> json_file = OpenJson(arguments_.json);
    if (!json_file.ok()) return json_file.status();
    const absl::StatusOr<Client> client = arguments_.connection.Connect(console_);
    if (!client.ok()) return client.status();
    const absl::StatusOr<v1::Model> model = FindModel(*client, arguments_.model, *options);
    if (!model.ok()) return model.status();
    const absl::StatusOr<RequestSource::Sequences> sequences = SequencesOf(arguments_, *model);
    if (!sequences.ok()) return sequences.status();
    const absl::StatusOr<LoadResult> result =
        MakeLoad(*order, RequestSource(*model, *sequences, order->base));
    if (!result.ok()) return result.status();
    absl::Status status = Print({arguments_.connection.address(), *model, arguments_.score,
                                 order->plan, order->threads, order->channels},
                                *result, json_file->get());
    if (!status.ok()) return status;
    if (console_.interrupted->cancelled()) return absl::CancelledError("interrupted");
    return OutcomeOf(result->measurements);
  }

 private:
  absl::StatusOr<LoadResult> MakeLoad(const BenchOrder& order, const RequestSource& source) const {
    const absl::StatusOr<ConnectOptions> connection = arguments_.connection.Read(console_);
    if (!connection.ok()) return connection.status();
    const absl::StatusOr<Channels> channels = OpenChannels(*connection, order.channels);
    if (!channels.ok()) return channels.status();
    Load load;
    load.plan = order.plan;
    load.source = &source;
    load.score = arguments_.score;
    load.token = connection->token;
    // Run has read the flag without an error; the deadline counts from each call's begin.
    load.call_options = [this] { return *arguments_.connection.Options(console_); };
    load.interrupted = console_.interrupted;
    load.begin = absl::Now();
    return RunWatched(load, order, *channels, arguments_.quiet, console_);
  }

  absl::Status Print(const ReportHeading& heading, const LoadResult& result,
                     ByteSink* json_file) const {
    const std::string json = JsonLine(ReportJson(heading, result));
    if (arguments_.json == "-") return console_.out->Write(json);
    absl::Status status = console_.out->Write(ReportTable(heading, result));
    if (!status.ok() || json_file == nullptr) return status;
    return json_file->Write(json);
  }

  const BenchArguments& arguments_;
  const Console& console_;
};

absl::Status ParseAndBench(std::vector<std::string> arguments, const Console& console) {
  CLI::App app("Makes load on a Strided server and measures how it answers", kName);
  app.set_version_flag("--version", kVersion, "The version of this program");
  BenchArguments bench;
  bench.AddTo(&app);
  const absl::StatusOr<std::string> help = ParseArguments(std::move(arguments), app);
  if (!help.ok()) return help.status();
  return help->empty() ? Bench(bench, console).Run() : console.out->Write(*help);
}

}  // namespace

int RunBench(std::vector<std::string> arguments, const Console& console) {
  const absl::Status status = ParseAndBench(std::move(arguments), console);
  // Nothing can be done about an error stream that takes no errors.
  console.error->Write(ErrorLine(status, kName)).IgnoreError();
  return ExitCodeOf(status);
}

}  // namespace strided::client
