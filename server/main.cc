// strided: the server's program. Exit codes are in server/README.md.

#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/config/command_line.h"
#include "server/grpc_listener.h"
#include "server/observability/build_info.h"
#include "server/observability/log.h"
#include "server/server.h"
#include "server/signal_thread.h"

namespace strided {
namespace {

constexpr int kExitOk = 0;
constexpr int kExitFailure = 1;      // could not start: a port, a model; or not answer
constexpr int kExitUsage = 2;        // a setting is wrong
constexpr int kExitEngineFault = 3;  // a step failed or hangs; a fresh process may do better

Severity SeverityOf(const LogSettings& settings) {
  if (settings.severity == "debug") return Severity::kDebug;
  if (settings.severity == "warning") return Severity::kWarning;
  return settings.severity == "error" ? Severity::kError : Severity::kInfo;
}

// Each connection takes a descriptor; systems give 1,024 unless asked for more.
void RaiseFileLimit() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

int RunServer(const ServerSettings& settings) {
  SetLogSeverity(SeverityOf(settings.log));
  RouteLibraryLogs();
  RaiseFileLimit();
  BlockSignals();
  Server server(settings);
  if (const absl::Status status = server.Start(); !status.ok()) {
    Log(Severity::kError, "cannot start", {{"reason", std::string(status.message())}});
    return kExitFailure;
  }
  SignalThread signals([&server](int signal) {
    Log(Severity::kInfo, "signal", {{"number", int64_t{signal}}});
    server.RequestDrain();
  });
  const absl::StatusOr<ServerEnd> end = server.Run();
  if (!end.ok()) {
    Log(Severity::kError, "cannot start", {{"reason", std::string(end.status().message())}});
    return kExitFailure;
  }
  if (*end == ServerEnd::kDrained) return kExitOk;
  Log(Severity::kError, "ends because of its engine");
  // A step that hangs keeps its thread, and what that uses, from being destroyed.
  if (*end == ServerEnd::kEngineHung) _exit(kExitEngineFault);
  return kExitEngineFault;
}

int Print(const std::string& answer) {
  if (std::fputs(answer.c_str(), stdout) >= 0 && std::fflush(stdout) == 0) return kExitOk;
  std::perror("strided: standard output");
  return kExitFailure;
}

int Main(const std::vector<std::string>& arguments) {
  const absl::StatusOr<CommandLine> line =
      ParseCommandLine(arguments, ReadEnvironment(), absl::StrCat("strided ", BuildVersion()));
  if (!line.ok()) {
    std::fprintf(stderr, "strided: %s\n", std::string(line.status().message()).c_str());
    return kExitUsage;
  }
  if (line->answer.has_value()) return Print(*line->answer);
  return RunServer(line->settings);
}

}  // namespace
}  // namespace strided

int main(int argc, char** argv) { return strided::Main({argv + 1, argv + argc}); }
