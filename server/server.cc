#include "server/server.h"

#include <algorithm>

#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "engine/base/error_detail.h"
#include "engine/base/status_macros.h"
#include "server/address_probe.h"
#include "server/grpc_listener.h"
#include "server/observability/log.h"

namespace strided {
namespace {

// How often the engines are looked at: health follows them within 2 s with room to spare.
constexpr absl::Duration kWatchInterval = absl::Milliseconds(250);
// What streams get to take their last status when an engine has failed.
constexpr absl::Duration kFaultGrace = absl::Seconds(1);

ModelOptions OptionsOf(const ServerSettings& settings) {
  const ModelSettings& models = settings.models;
  const SchedulingSettings& scheduling = settings.scheduling;
  return {.devices = models.devices.empty() ? std::vector{models.device} : models.devices,
          .weight_format = models.weight_format,
          .decode_path = models.decode_path,
          .cache_format = models.cache_format,
          .threads = models.threads,
          .gpu_memory_fraction = models.gpu_memory_fraction,
          .cache_bytes = models.cache_bytes,
          .max_sequences = scheduling.max_sequences,
          .prefill_rows_per_step = scheduling.prefill_rows_per_step,
          .scheduling = {.launch_limit = scheduling.launch_limit,
                         .paused_slot_limit = scheduling.paused_slot_limit,
                         .paused_job_limit = scheduling.paused_request_limit}};
}

}  // namespace

Server::Server(const ServerSettings& settings)
    : settings_(settings),
      metrics_(CreateMetrics()),
      admission_(settings.scheduling.max_requests),
      repository_(settings.models.repository, OptionsOf(settings), metrics_.get(), &clock_),
      sampling_service_(ServiceContext{&repository_, &admission_, metrics_.get(), &clock_}),
      model_service_(ServiceContext{&repository_, &admission_, metrics_.get(), &clock_}),
      health_service_({"strided.v1.SamplingService", "strided.v1.ModelService"}),
      watchdog_(settings.watchdog, &repository_, &clock_) {}

Server::~Server() {
  if (loader_.joinable()) loader_.join();
}

absl::Status Server::Start() {
  RETURN_IF_ERROR(repository_.Scan());
  if (!settings_.metrics.address.empty()) {
    RETURN_IF_ERROR(CheckCanListen(settings_.metrics.address));
    ASSIGN_OR_RETURN(exposer_, MetricsExposer::Start(settings_.metrics.address, *metrics_));
  }
  ASSIGN_OR_RETURN(
      GrpcListener listener,
      ListenGrpc(settings_.listen, {&sampling_service_, &model_service_, &health_service_}));
  addresses_ = std::move(listener.addresses);
  grpc_ = std::move(listener.server);
  return absl::OkStatus();
}

absl::StatusOr<ServerEnd> Server::Run() {
  loader_ = std::thread([this] { LoadModels(); });
  absl::StatusOr<ServerEnd> end = Serve();
  if (end.ok() && *end == ServerEnd::kEngineHung) return end;
  RequestDrain();  // for the loading thread, if it is still about it
  loader_.join();
  return end;
}

absl::StatusOr<ServerEnd> Server::Serve() {
  const auto await_loaded = [this](absl::Duration limit) { return AwaitLoaded(limit); };
  EngineCondition condition = WatchUntil(await_loaded, absl::InfiniteFuture(), /*serving=*/false);
  if (condition >= EngineCondition::kFailed) return EndOnFault(condition);
  if (AwaitDrainRequest(absl::ZeroDuration())) return Drain(/*was_serving=*/false);
  if (const absl::Status loaded = LoadResult();
      !loaded.ok() && (settings_.models.on_failure == "exit" || !HasReadyModel())) {
    ShutDown(absl::ZeroDuration());
    return loaded;
  }
  health_service_.SetServing(true);
  LogReady();
  const auto await_drain = [this](absl::Duration limit) { return AwaitDrainRequest(limit); };
  condition = WatchUntil(await_drain, absl::InfiniteFuture(), /*serving=*/true);
  if (condition >= EngineCondition::kFailed) return EndOnFault(condition);
  return Drain(/*was_serving=*/true);
}

ServerEnd Server::Drain(bool was_serving) {
  Log(Severity::kInfo, "draining",
      {{"requests", int64_t{admission_.tickets_out()}},
       {"delay_seconds", absl::ToDoubleSeconds(settings_.drain.delay)},
       {"grace_seconds", absl::ToDoubleSeconds(settings_.drain.grace)}});
  health_service_.SetServing(false);
  const auto await_nothing = [](absl::Duration limit) {
    absl::SleepFor(limit);
    return false;
  };
  // A load balancer can only have sent somebody here if it has seen health SERVING.
  const absl::Duration delay = was_serving ? settings_.drain.delay : absl::ZeroDuration();
  EngineCondition condition = WatchUntil(await_nothing, clock_.Now() + delay, /*serving=*/false);
  if (condition >= EngineCondition::kFailed) return EndOnFault(condition);

  admission_.StartDraining();
  const absl::Time last_call = clock_.Now() + settings_.drain.grace;
  const auto await_idle = [this](absl::Duration limit) { return admission_.AwaitIdle(limit); };
  condition = WatchUntil(await_idle, last_call, /*serving=*/false);
  if (condition >= EngineCondition::kFailed) return EndOnFault(condition);
  const int cut = admission_.tickets_out();
  // Jobs that are over may still have mail for their readers.
  ShutDown(std::max(last_call - clock_.Now(), absl::ZeroDuration()));
  Log(cut == 0 ? Severity::kInfo : Severity::kWarning, "drained", {{"requests_cut", int64_t{cut}}});
  return ServerEnd::kDrained;
}

ServerEnd Server::EndOnFault(EngineCondition condition) {
  health_service_.SetServing(false);
  admission_.StartDraining();
  if (condition == EngineCondition::kHung) {
    sampling_service_.AbandonCalls(WithReason(absl::InternalError("a step does not end"),
                                              {.reason = "ENGINE_ERROR", .metadata = {}}),
                                   kFaultGrace);
    return ServerEnd::kEngineHung;
  }
  ShutDown(kFaultGrace);
  return ServerEnd::kEngineFailed;
}

void Server::ShutDown(absl::Duration grace) {
  health_service_.EndWatches();
  grpc_->Shutdown(absl::ToChronoTime(absl::Now() + grace));
}

EngineCondition Server::WatchUntil(Await await, absl::Time deadline, bool serving) {
  while (true) {
    const EngineCondition condition = watchdog_.Check();
    if (condition >= EngineCondition::kFailed) return condition;
    if (serving) health_service_.SetServing(condition == EngineCondition::kWell);
    const absl::Duration left = deadline - clock_.Now();
    if (left <= absl::ZeroDuration() || await(std::min(left, kWatchInterval))) return condition;
  }
}

void Server::LoadModels() {
  const absl::Status status =
      repository_.LoadAll([this] { return !AwaitDrainRequest(absl::ZeroDuration()); });
  absl::MutexLock lock(&mu_);
  loaded_ = status;
}

bool Server::AwaitLoaded(absl::Duration limit) {
  const auto over = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) {
    return loaded_.has_value() || drain_requested_;
  };
  absl::MutexLock lock(&mu_);
  return mu_.AwaitWithTimeout(absl::Condition(&over), limit);
}

bool Server::AwaitDrainRequest(absl::Duration limit) {
  absl::MutexLock lock(&mu_);
  return mu_.AwaitWithTimeout(absl::Condition(&drain_requested_), limit);
}

void Server::RequestDrain() {
  absl::MutexLock lock(&mu_);
  drain_requested_ = true;
}

absl::Status Server::LoadResult() {
  absl::MutexLock lock(&mu_);
  return loaded_.value_or(absl::CancelledError("loading is not over"));
}

bool Server::HasReadyModel() const {
  const std::vector<ModelEntry> models = repository_.List();
  return std::any_of(models.begin(), models.end(),
                     [](const ModelEntry& entry) { return entry.model != nullptr; });
}

void Server::LogReady() const {
  Log(Severity::kInfo, "ready",
      {{"listen", absl::StrJoin(addresses_, ",")},
       {"metrics", exposer_ == nullptr ? std::string("off") : exposer_->address()},
       {"models", static_cast<int64_t>(repository_.List().size())}});
}

}  // namespace strided
