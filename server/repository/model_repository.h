// The models that a server has: a directory <root>/<model>/<version>/ on disk.

#ifndef STRIDED_SERVER_REPOSITORY_MODEL_REPOSITORY_H_
#define STRIDED_SERVER_REPOSITORY_MODEL_REPOSITORY_H_

#include <cstdint>
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
#include "server/repository/model_loader.h"
#include "server/repository/model_source.h"
#include "server/repository/repository_scan.h"
#include "server/repository/served_model.h"

namespace strided {

// Thread-safe. `Scan` and `LoadAll` read disks, and `LoadAll` takes seconds: never call them from a
// reaction. Use: Scan, then LoadAll, each once.
class ModelRepository final : public ModelSource {
 public:
  // `root` is not looked at before Scan. The pointees outlive the repository.
  ModelRepository(std::string root, ModelOptions options, Metrics* metrics, const Clock* clock);
  // Ends the schedulers of models that no request uses any more.
  ~ModelRepository() override;

  // Finds the highest version of every model below the root: an entry each, kLoading, or kFailed
  // where there is a problem. Errors as ChooseDevices and ScanRepository; a model's problem is
  // none.
  absl::Status Scan() ABSL_LOCKS_EXCLUDED(mu_);

  // Loads and warms what Scan found, one model after the other, and starts its scheduler. A model
  // that cannot be loaded ends in kFailed with its reason; the first such error is returned once
  // all others are up. Before each model `keep_on` is asked; from its first false on nothing is
  // loaded, and Cancelled is returned.
  absl::Status LoadAll(absl::FunctionRef<bool()> keep_on) ABSL_LOCKS_EXCLUDED(mu_);

  // As ModelSource says; none waits for a load that is under way.
  absl::StatusOr<std::shared_ptr<const ServedModel>> Find(
      absl::string_view reference) const override ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<ModelEntry> Describe(absl::string_view reference) const override
      ABSL_LOCKS_EXCLUDED(mu_);
  std::vector<ModelEntry> List() const override ABSL_LOCKS_EXCLUDED(mu_);

 private:
  using Key = std::pair<std::string, int64_t>;  // name, version; 0 where there is none
  struct Candidate {
    FoundModel found;
    ModelMetrics* metrics;   // not owned
    double memory_fraction;  // of a GPU, when it is loaded
  };

  absl::Status LoadOne(const Candidate& candidate);
  absl::StatusOr<std::shared_ptr<const ServedModel>> BringUp(const Candidate& candidate);
  // Shows what the models on a GPU take, one more with them: nothing is taken or given back later.
  void CountMemory(const std::string& device, const DeviceMemory& memory);
  // Sets the entry's state, and the series that tells it.
  void Publish(const Candidate& candidate, ModelState state, absl::string_view reason,
               std::shared_ptr<const ServedModel> model = nullptr) ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status NoSuchModel(absl::string_view reference) const ABSL_SHARED_LOCKS_REQUIRED(mu_);

  const std::string root_;
  const ModelOptions options_;
  Metrics* const metrics_;    // not owned
  const Clock* const clock_;  // not owned

  // Of the thread that scans and loads.
  std::vector<Device> devices_;
  std::vector<Candidate> candidates_;
  std::map<std::string, DeviceMemory> memory_;  // by device

  // Callback threads read, the loading thread writes. Held for a look-up, never for a load.
  mutable absl::Mutex mu_;
  std::map<Key, ModelEntry> entries_ ABSL_GUARDED_BY(mu_);
};

}  // namespace strided

#endif  // STRIDED_SERVER_REPOSITORY_MODEL_REPOSITORY_H_
