// grpc.health.v1.Health: whether the server takes on work.
//
// gRPC has one of its own, which starts as SERVING, before any model can be loaded, and whose Watch
// streams hold a shutdown up until its deadline.

#ifndef STRIDED_SERVER_HEALTH_SERVICE_H_
#define STRIDED_SERVER_HEALTH_SERVICE_H_

#include <grpcpp/grpcpp.h>

#include <map>
#include <memory>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace strided {

// Register with a grpc::ServerBuilder; outlives the server. Thread-safe; no call waits for a
// client.
class HealthService final : public grpc::health::v1::Health::CallbackService {
 public:
  // Knows `services` and "", the server as a whole; all are NOT_SERVING.
  explicit HealthService(std::set<std::string> services);
  // Requires that every Watch has ended, as the server's end sees to.
  ~HealthService() override;

  // All services are SERVING, or none. Watchers are told of a change.
  void SetServing(bool serving) ABSL_LOCKS_EXCLUDED(mu_);

  // Ends every Watch with UNAVAILABLE, those to come too: so that none holds a shutdown up.
  void EndWatches() ABSL_LOCKS_EXCLUDED(mu_);

  // NotFound for a service that is not known.
  grpc::ServerUnaryReactor* Check(grpc::CallbackServerContext* call,
                                  const grpc::health::v1::HealthCheckRequest* request,
                                  grpc::health::v1::HealthCheckResponse* response) override
      ABSL_LOCKS_EXCLUDED(mu_);
  // SERVICE_UNKNOWN for a service that is not known.
  grpc::ServerWriteReactor<grpc::health::v1::HealthCheckResponse>* Watch(
      grpc::CallbackServerContext* call,
      const grpc::health::v1::HealthCheckRequest* request) override ABSL_LOCKS_EXCLUDED(mu_);

 private:
  class Watcher;
  using Status = grpc::health::v1::HealthCheckResponse::ServingStatus;

  bool Knows(const std::string& service) const { return services_.count(service) > 0; }
  Status StatusOf(bool known) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void TellWatchers() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Destroys a watcher whose call is over.
  void Release(const Watcher* watcher) ABSL_LOCKS_EXCLUDED(mu_);

  const std::set<std::string> services_;  // "" included

  absl::Mutex mu_;  // gRPC's threads and the server's own
  bool serving_ ABSL_GUARDED_BY(mu_) = false;
  bool watches_ended_ ABSL_GUARDED_BY(mu_) = false;
  std::map<const Watcher*, std::unique_ptr<Watcher>> watchers_ ABSL_GUARDED_BY(mu_);
};

}  // namespace strided

#endif  // STRIDED_SERVER_HEALTH_SERVICE_H_
