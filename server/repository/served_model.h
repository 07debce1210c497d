// One version of one model, loaded: its configuration, its executors, their schedulers.

#ifndef STRIDED_SERVER_REPOSITORY_SERVED_MODEL_H_
#define STRIDED_SERVER_REPOSITORY_SERVED_MODEL_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "engine/cache/cache_bytes.h"
#include "engine/executor.h"
#include "engine/model/config.h"
#include "engine/text/tokenizer.h"
#include "server/observability/metrics.h"
#include "server/scheduling/scheduler_group.h"

namespace strided {

// The life of a version. Loading and warming come first, once; draining and unloaded only come with
// an unload; failed is the end of a load that did not succeed.
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
  ModelMetrics* metrics = nullptr;     // not owned
  std::optional<Tokenizer> tokenizer;  // of models with a tokenizer.json
  // One for each device, with the same weights and numerics; at least one.
  std::vector<std::unique_ptr<Executor>> executors;
  std::unique_ptr<SchedulerGroup> scheduler;  // last: joined before the executors go

  // For what is the same on all devices.
  const Executor& executor() const { return *executors.front(); }
  // The executors' copy; lives as long as this.
  const ModelConfig& config() const { return executor().config(); }

  // The devices' names, with commas between them.
  std::string device() const {
    const auto append = [](std::string* out, const std::unique_ptr<Executor>& on) {
      out->append(on->info().device);
    };
    return absl::StrJoin(executors, ",", append);
  }

  // Of the device whose caches are largest: what a single sequence can have.
  int64_t cache_capacity_bytes() const {
    int64_t most = 0;
    for (const auto& on : executors) most = std::max(most, on->cache_usage().capacity_bytes);
    return most;
  }

  // Bytes of the caches of a sequence that fills the context, if every layer were dense.
  int64_t dense_cache_bytes() const {
    return DenseCacheBytes(config(), config().context_length,
                           CacheElementBytes(executor().info().cache_format));
  }
};

}  // namespace strided

#endif  // STRIDED_SERVER_REPOSITORY_SERVED_MODEL_H_
