// One version of one model, loaded: its configuration, its executor, its scheduler.

#ifndef STRIDED_SERVER_REPOSITORY_SERVED_MODEL_H_
#define STRIDED_SERVER_REPOSITORY_SERVED_MODEL_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "engine/cache/cache_bytes.h"
#include "engine/executor.h"
#include "engine/model/config.h"
#include "server/observability/metrics.h"
#include "server/scheduling/scheduler.h"

namespace strided {

enum class ModelState { kLoading, kWarming, kReady, kDraining, kUnloaded, kFailed };

// Immutable once published by the repository, but for what its scheduler does. Owned jointly by the
// repository and by the requests that use it, so that a version that is replaced ends with its last
// request: the one place where shared_ptr is meant.
struct ServedModel {
  std::string name;
  std::string version;
  std::string fingerprint;  // of weights, configuration and numerics: equal ones give equal bits
  absl::Duration load_time;
  absl::Time loaded_at;
  ModelMetrics* metrics = nullptr;  // not owned
  std::unique_ptr<Executor> executor;
  std::unique_ptr<Scheduler> scheduler;  // last: joined before the executor goes

  const ModelConfig& config() const { return executor->config(); }

  // Bytes of the caches of a sequence that fills the context, if every layer were dense.
  int64_t dense_cache_bytes() const {
    return DenseCacheBytes(config(), config().context_length,
                           CacheElementBytes(executor->info().weight_format));
  }
};

}  // namespace strided

#endif  // STRIDED_SERVER_REPOSITORY_SERVED_MODEL_H_
