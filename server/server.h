// The whole server: its objects in the order of their dependencies, and its life.
//
//   main thread                       | loading thread   | signal thread
//   Start: scan, listen               |                  |
//   Run:   watch the engines          | LoadAll          |
//          health SERVING, "ready"  <-| done             |
//          watch the engines          |                  | RequestDrain
//          drain: health NOT_SERVING, accept for drain_delay, refuse for drain_grace at most
//                 until no request is left, shut gRPC down
//
// gRPC's threads, each model's scheduler thread and engine threads, the metrics' threads and the
// streams' timer run beside these; server/README.md lists all threads and locks.

#ifndef STRIDED_SERVER_SERVER_H_
#define STRIDED_SERVER_SERVER_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "engine/base/clock.h"
#include "server/config/settings.h"
#include "server/health_service.h"
#include "server/observability/metrics.h"
#include "server/observability/metrics_exposer.h"
#include "server/repository/model_repository.h"
#include "server/scheduling/admission.h"
#include "server/service/model_service.h"
#include "server/service/sampling_service.h"
#include "server/watchdog.h"

namespace strided {

// How a server's life ended.
enum class ServerEnd {
  kDrained,       // as it was asked to
  kEngineFailed,  // a step failed: its streams have got INTERNAL
  kEngineHung,    // a step does not end: the server cannot be destroyed, only its process ended
};

// Use: Start, then Run, each once, from one thread.
class Server {
 public:
  explicit Server(const ServerSettings& settings);
  // Requires that Run has returned, or was not called, and did not give kEngineHung.
  ~Server();

  // Scans the repository and opens the ports; health is NOT_SERVING, requests are told that their
  // model is loading. Errors of ModelRepository::Scan; FailedPrecondition where an address cannot
  // be listened on.
  absl::Status Start();

  // Loads the models, serves, drains; returns when that is over. The error of a model that cannot
  // be loaded, unless the settings say to serve the others and there is one.
  absl::StatusOr<ServerEnd> Run() ABSL_LOCKS_EXCLUDED(mu_);

  // Has Run drain and return. Thread-safe.
  void RequestDrain() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  // Waits for at most that long; true when what it waits for is there.
  using Await = absl::FunctionRef<bool(absl::Duration limit)>;

  void LoadModels() ABSL_LOCKS_EXCLUDED(mu_);
  // Until `await` is true or `deadline` has come; at once for an engine that has failed or hangs,
  // whose condition it returns. Health follows the engines if `serving`.
  EngineCondition WatchUntil(Await await, absl::Time deadline, bool serving);
  bool AwaitLoaded(absl::Duration limit) ABSL_LOCKS_EXCLUDED(mu_);
  bool AwaitDrainRequest(absl::Duration limit) ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status LoadResult() ABSL_LOCKS_EXCLUDED(mu_);
  bool HasReadyModel() const;
  absl::StatusOr<ServerEnd> Serve();
  ServerEnd Drain(bool was_serving);
  ServerEnd EndOnFault(EngineCondition condition);
  void ShutDown(absl::Duration grace);
  void LogReady() const;

  const ServerSettings settings_;
  const SystemClock clock_;
  const std::unique_ptr<Metrics> metrics_;
  Admission admission_;
  ModelRepository repository_;
  SamplingService sampling_service_;
  ModelService model_service_;
  HealthService health_service_;
  Watchdog watchdog_;

  // Main thread only, and null until Start.
  std::unique_ptr<MetricsExposer> exposer_;
  std::vector<std::string> addresses_;
  std::unique_ptr<grpc::Server> grpc_;  // ends before what its handlers use

  absl::Mutex mu_;  // main, loading and signal thread; held for a look
  bool drain_requested_ ABSL_GUARDED_BY(mu_) = false;
  std::optional<absl::Status> loaded_ ABSL_GUARDED_BY(mu_);  // set when loading is over

  std::thread loader_;
};

}  // namespace strided

#endif  // STRIDED_SERVER_SERVER_H_
