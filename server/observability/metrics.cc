#include "server/observability/metrics.h"

#include <array>
#include <cstddef>
#include <map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "server/observability/build_info.h"
#include "server/observability/families.h"
#include "server/observability/model_series.h"

namespace strided {
namespace {

constexpr std::array<const char*, 4> kObjectLabels = {"reactor", "request", "sequence", "slot"};
constexpr std::array<const char*, 4> kMemoryLabels = {"weights", "cache", "workspace", "free"};
constexpr std::array<const char*, 17> kCodeLabels = {
    "OK",        "CANCELLED",           "UNKNOWN",        "INVALID_ARGUMENT",
    "NOT_FOUND", "DEADLINE_EXCEEDED",   "ALREADY_EXISTS", "PERMISSION_DENIED",
    "ABORTED",   "RESOURCE_EXHAUSTED",  "UNAVAILABLE",    "UNAUTHENTICATED",
    "INTERNAL",  "FAILED_PRECONDITION", "OUT_OF_RANGE",   "UNIMPLEMENTED",
    "DATA_LOSS"};

// The series of one method, but for those of its status codes.
struct RpcSeries {
  prometheus::Labels labels;
  prometheus::Counter* started;
  prometheus::Counter* received;
  prometheus::Counter* sent;
  prometheus::Histogram* time;
};

class PrometheusMetrics final : public Metrics {
 public:
  PrometheusMetrics() : registry_(std::make_shared<prometheus::Registry>()), families_(*registry_) {
    for (size_t i = 0; i < kObjectLabels.size(); ++i) {
      created_[i] = &families_.objects_created.Add({{"object", kObjectLabels[i]}});
      released_[i] = &families_.objects_released.Add({{"object", kObjectLabels[i]}});
    }
    families_.build_info
        .Add({{"version", std::string(BuildVersion())}, {"compiler", std::string(BuildCompiler())}})
        .Set(1);
  }

  ModelMetrics* ForModel(absl::string_view model, absl::string_view version,
                         absl::string_view modality) override ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    std::unique_ptr<ModelSeries>& series = models_[{std::string(model), std::string(version)}];
    if (series == nullptr) {
      series = std::make_unique<ModelSeries>(families_, model, version, modality);
    }
    return series.get();
  }

  void RegisterRpc(absl::string_view service, absl::string_view method,
                   absl::string_view type) override {
    Rpc(service, method, type);
  }
  void CountRpcStarted(absl::string_view service, absl::string_view method,
                       absl::string_view type) override {
    Rpc(service, method, type).started->Increment();
  }
  void CountRpcHandled(absl::string_view service, absl::string_view method, absl::string_view type,
                       absl::string_view code, absl::Duration time) override {
    const RpcSeries& series = Rpc(service, method, type);
    Handled(series, code).Increment();
    series.time->Observe(absl::ToDoubleSeconds(time));
  }
  void CountMessagesReceived(absl::string_view service, absl::string_view method,
                             absl::string_view type, int64_t messages) override {
    Rpc(service, method, type).received->Increment(static_cast<double>(messages));
  }
  void CountMessagesSent(absl::string_view service, absl::string_view method,
                         absl::string_view type, int64_t messages) override {
    Rpc(service, method, type).sent->Increment(static_cast<double>(messages));
  }

  void SetDeviceMemory(absl::string_view device, MemoryKind kind, int64_t bytes) override {
    const char* const label = kMemoryLabels[static_cast<size_t>(kind)];
    families_.device_memory.Add({{"device", std::string(device)}, {"kind", label}})
        .Set(static_cast<double>(bytes));
  }

  void CountCreated(LiveObject object) override {
    created_[static_cast<size_t>(object)]->Increment();
  }
  void CountReleased(LiveObject object) override {
    released_[static_cast<size_t>(object)]->Increment();
  }

  std::shared_ptr<prometheus::Registry> registry() const override { return registry_; }

 private:
  // Lives as long as this: a map's nodes stay where they are, and none is erased.
  const RpcSeries& Rpc(absl::string_view service, absl::string_view method, absl::string_view type)
      ABSL_LOCKS_EXCLUDED(mu_) {
    std::string key = absl::StrCat(service, "/", method);
    absl::MutexLock lock(&mu_);
    const auto known = rpcs_.find(key);
    if (known != rpcs_.end()) return known->second;
    prometheus::Labels labels = {{"grpc_type", std::string(type)},
                                 {"grpc_service", std::string(service)},
                                 {"grpc_method", std::string(method)}};
    RpcSeries series = {.labels = labels,
                        .started = &families_.rpc_started.Add(labels),
                        .received = &families_.rpc_received.Add(labels),
                        .sent = &families_.rpc_sent.Add(labels),
                        .time = &families_.rpc_time.Add(labels, kDurationBuckets)};
    for (const char* code : kCodeLabels) Handled(series, code);
    return rpcs_.emplace(std::move(key), std::move(series)).first->second;
  }

  prometheus::Counter& Handled(const RpcSeries& series, absl::string_view code) {
    prometheus::Labels labels = series.labels;
    labels.emplace("grpc_code", std::string(code));
    return families_.rpc_handled.Add(labels);
  }

  // Constant after construction; what they point to is thread-safe.
  const std::shared_ptr<prometheus::Registry> registry_;
  MetricFamilies families_;
  std::array<prometheus::Counter*, kObjectLabels.size()> created_;
  std::array<prometheus::Counter*, kObjectLabels.size()> released_;

  // Any thread that counts looks its series up; held for that, and longer only when one is made.
  absl::Mutex mu_;
  std::map<std::pair<std::string, std::string>, std::unique_ptr<ModelSeries>> models_
      ABSL_GUARDED_BY(mu_);
  std::map<std::string, RpcSeries> rpcs_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

std::unique_ptr<Metrics> CreateMetrics() { return std::make_unique<PrometheusMetrics>(); }

}  // namespace strided
