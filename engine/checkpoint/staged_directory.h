// A directory that appears under its name only when it is whole.

#ifndef STRIDED_ENGINE_CHECKPOINT_STAGED_DIRECTORY_H_
#define STRIDED_ENGINE_CHECKPOINT_STAGED_DIRECTORY_H_

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace strided {

// Its files are written to `.<name>.partial-<number>` beside its place, whose name no server takes
// for a version. Its destruction removes what was not committed. Move only.
class StagedDirectory {
 public:
  // Makes the staging directory, and the parents of `destination` that are missing. AlreadyExists
  // where there is something at `destination`; else what the system says.
  static absl::StatusOr<StagedDirectory> Create(const std::string& destination);

  StagedDirectory(StagedDirectory&& other) noexcept
      : destination_(std::move(other.destination_)), path_(std::exchange(other.path_, {})) {}
  StagedDirectory& operator=(StagedDirectory&& other) noexcept {
    std::swap(destination_, other.destination_);
    std::swap(path_, other.path_);
    return *this;
  }
  ~StagedDirectory();

  // Where to write, until Commit.
  const std::string& path() const { return path_; }

  // Gives it its name, in one step, with everything on the device. AlreadyExists where the name was
  // taken meanwhile. The last call.
  absl::Status Commit();

 private:
  StagedDirectory(std::string destination, std::string path)
      : destination_(std::move(destination)), path_(std::move(path)) {}

  std::string destination_;
  std::string path_;  // empty after a move or a commit
};

}  // namespace strided

#endif  // STRIDED_ENGINE_CHECKPOINT_STAGED_DIRECTORY_H_
