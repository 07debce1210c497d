// Where the services look models up: the repository in a server, a list of fakes in a test.

#ifndef STRIDED_SERVER_REPOSITORY_MODEL_SOURCE_H_
#define STRIDED_SERVER_REPOSITORY_MODEL_SOURCE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/repository/served_model.h"

namespace strided {

// What ListModels says of one version, whether it could be loaded or not.
struct ModelEntry {
  std::string name;
  std::string version;
  ModelState state = ModelState::kLoading;
  std::string state_reason;                  // why it failed
  std::shared_ptr<const ServedModel> model;  // null unless ready
};

// Thread-safe; no call waits for a disk or a step, so reactions may make them.
class ModelSource {
 public:
  virtual ~ModelSource() = default;

  // "name" (its highest ready version), "name/version", or "" where exactly one model is served.
  // NotFound with the names that exist; Unavailable with reason MODEL_LOADING and a retry delay.
  // FailedPrecondition with reason MODEL_FAILED where it could not be loaded.
  virtual absl::StatusOr<std::shared_ptr<const ServedModel>> Find(
      absl::string_view reference) const = 0;

  // As Find, but any state: what GetModel says of a model that is loading or has failed. NotFound
  // alone.
  virtual absl::StatusOr<ModelEntry> Describe(absl::string_view reference) const = 0;

  // Every version that is known, in any state, ordered by name, then version.
  virtual std::vector<ModelEntry> List() const = 0;
};

}  // namespace strided

#endif  // STRIDED_SERVER_REPOSITORY_MODEL_SOURCE_H_
