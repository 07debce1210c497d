#include "server/health_service.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/quoted.h"

namespace strided {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

// One Watch call: sends each status that differs from the last one sent, one write at a time; what
// changes meanwhile is looked at when the write is done.
class HealthService::Watcher final : public grpc::ServerWriteReactor<HealthCheckResponse> {
 public:
  Watcher(HealthService* service, bool known) : service_(service), known_(known) {}

  // Whether the service that it watches is known.
  bool known() const { return known_; }

  // The status that the client should have; with `end`, the call is over instead.
  void Tell(Status status, bool end) ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    wanted_ = status;
    if (end) end_ = grpc::Status(grpc::StatusCode::UNAVAILABLE, "the server is shutting down");
    Act();
  }

 private:
  void OnWriteDone(bool ok) override ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    writing_ = false;
    if (!ok) end_ = grpc::Status(grpc::StatusCode::CANCELLED, "the client is gone");
    Act();
  }
  void OnCancel() override ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    end_ = grpc::Status(grpc::StatusCode::CANCELLED, "the client is gone");
    Act();
  }
  void OnDone() override { service_->Release(this); }

  void Act() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (writing_ || finished_) return;
    if (end_.has_value()) {
      finished_ = true;
      Finish(*end_);
    } else if (sent_ != wanted_) {
      sent_ = wanted_;
      writing_ = true;
      response_.set_status(*wanted_);
      StartWrite(&response_);
    }
  }

  HealthService* const service_;  // outlives every call
  const bool known_;

  // gRPC's threads and those that change the health. Taken while the service's mutex is held, never
  // the other way round. Held while gRPC is told to write or finish, which it queues: no reaction
  // runs in that call.
  absl::Mutex mu_;
  HealthCheckResponse response_ ABSL_GUARDED_BY(mu_);  // while a write is in flight, gRPC reads it
  std::optional<Status> wanted_ ABSL_GUARDED_BY(mu_);
  std::optional<Status> sent_ ABSL_GUARDED_BY(mu_);
  std::optional<grpc::Status> end_ ABSL_GUARDED_BY(mu_);
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  bool finished_ ABSL_GUARDED_BY(mu_) = false;
};

HealthService::HealthService(std::set<std::string> services)
    : services_([&services] {
        services.insert("");
        return std::move(services);
      }()) {}

HealthService::~HealthService() = default;

HealthService::Status HealthService::StatusOf(bool known) const {
  if (!known) return HealthCheckResponse::SERVICE_UNKNOWN;
  return serving_ ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
}

void HealthService::Release(const Watcher* watcher) {
  std::unique_ptr<Watcher> released;  // destroyed when the lock is free
  absl::MutexLock lock(&mu_);
  const auto found = watchers_.find(watcher);
  released = std::move(found->second);
  watchers_.erase(found);
}

void HealthService::SetServing(bool serving) {
  absl::MutexLock lock(&mu_);
  serving_ = serving;
  TellWatchers();
}

void HealthService::EndWatches() {
  absl::MutexLock lock(&mu_);
  watches_ended_ = true;
  TellWatchers();
}

void HealthService::TellWatchers() {
  for (const auto& [key, watcher] : watchers_) {
    watcher->Tell(StatusOf(watcher->known()), watches_ended_);
  }
}

grpc::ServerUnaryReactor* HealthService::Check(grpc::CallbackServerContext* call,
                                               const HealthCheckRequest* request,
                                               HealthCheckResponse* response) {
  grpc::ServerUnaryReactor* const reactor = call->DefaultReactor();
  if (!Knows(request->service())) {
    reactor->Finish(
        grpc::Status(grpc::StatusCode::NOT_FOUND,
                     absl::StrCat("no service ", Quoted(request->service()), " is served")));
    return reactor;
  }
  {
    absl::MutexLock lock(&mu_);
    response->set_status(StatusOf(true));
  }
  reactor->Finish(grpc::Status::OK);
  return reactor;
}

grpc::ServerWriteReactor<HealthCheckResponse>* HealthService::Watch(
    grpc::CallbackServerContext*, const HealthCheckRequest* request) {
  auto watcher = std::make_unique<Watcher>(this, Knows(request->service()));
  Watcher* const reactor = watcher.get();
  absl::MutexLock lock(&mu_);
  watchers_.emplace(reactor, std::move(watcher));
  reactor->Tell(StatusOf(reactor->known()), watches_ended_);
  return reactor;
}

}  // namespace strided
