// The models that a server has: a directory <root>/<model>/<version>/ on disk.

#ifndef STRIDED_SERVER_REPOSITORY_MODEL_REPOSITORY_H_
#define STRIDED_SERVER_REPOSITORY_MODEL_REPOSITORY_H_

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "engine/base/clock.h"
#include "server/observability/metrics.h"
#include "server/repository/model_source.h"
#include "server/repository/served_model.h"

namespace strided {

// How models are brought up on a device.
struct ModelOptions {
  std::string device = "auto";             // "auto", "cpu"; "cuda", "cuda:N" where built in
  std::string weight_format = "auto";      // "auto": as stored; "float32", "bfloat16", "int8"
  int threads = 0;                         // CPU threads of one executor; 0: one per core
  int64_t cache_bytes = int64_t{1} << 30;  // of all sequences of one model together
  SchedulerOptions scheduling;
};

// Thread-safe. `Load` and `LoadAll` read disks and take seconds: never call them from a reaction.
class ModelRepository final : public ModelSource {
 public:
  // The pointees outlive the repository.
  ModelRepository(std::string root, ModelOptions options, Metrics* metrics, Clock* clock);
  ~ModelRepository() override;

  // Loads the highest version of every model below the root and starts its scheduler. A model that
  // cannot be loaded is kept as an entry in state kFailed with its reason, and the first such error
  // is returned once all others are up. NotFound where the root holds no model at all. `report` is
  // told each model's name when its load starts.
  absl::Status LoadAll(absl::FunctionRef<void(absl::string_view name)> report);

  absl::StatusOr<std::shared_ptr<const ServedModel>> Find(
      absl::string_view reference) const override ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<ModelEntry> Describe(absl::string_view reference) const override
      ABSL_LOCKS_EXCLUDED(mu_);
  std::vector<ModelEntry> List() const override ABSL_LOCKS_EXCLUDED(mu_);

 private:
  absl::StatusOr<std::shared_ptr<const ServedModel>> Load(const std::string& name,
                                                          const std::string& version);

  const std::string root_;
  const ModelOptions options_;
  Metrics* const metrics_;  // not owned
  Clock* const clock_;      // not owned
  mutable absl::Mutex mu_;  // callback threads read, the loading thread writes
  std::map<std::pair<std::string, int64_t>, ModelEntry> entries_ ABSL_GUARDED_BY(mu_);
};

}  // namespace strided

#endif  // STRIDED_SERVER_REPOSITORY_MODEL_REPOSITORY_H_
