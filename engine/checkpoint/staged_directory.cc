#include "engine/checkpoint/staged_directory.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/checkpoint/output_file.h"

namespace strided {
namespace {

namespace fs = std::filesystem;

constexpr int kMostTries = 100;  // leftovers of processes that were killed with our number

absl::Status AlreadyThere(const std::string& path) {
  return absl::AlreadyExistsError(
      absl::StrCat(path, " is there already; expected a version that is not"));
}

// The directory that holds `path`.
std::string ParentOf(const std::string& path) {
  const std::string parent = fs::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

}  // namespace

absl::StatusOr<StagedDirectory> StagedDirectory::Create(const std::string& destination) {
  std::error_code error;
  // A link that leads nowhere is something, too.
  if (fs::exists(fs::symlink_status(destination, error))) return AlreadyThere(destination);
  const std::string parent = ParentOf(destination);
  fs::create_directories(parent, error);
  if (error) return absl::ErrnoToStatus(error.value(), parent);
  const std::string name = fs::path(destination).filename().string();
  for (int i = 0; i < kMostTries; ++i) {
    std::string path = absl::StrCat(parent, "/.", name, ".partial-", getpid() + i);
    if (mkdir(path.c_str(), 0777) == 0) return StagedDirectory(destination, std::move(path));
    if (errno != EEXIST) return absl::ErrnoToStatus(errno, path);
  }
  return absl::AlreadyExistsError(absl::StrCat(parent, " holds ", kMostTries, " leftovers .", name,
                                               ".partial-...; expected them to be removed"));
}

StagedDirectory::~StagedDirectory() {
  std::error_code ignored;  // what cannot be removed harms nobody under this name
  if (!path_.empty()) fs::remove_all(path_, ignored);
}

absl::Status StagedDirectory::Commit() {
  RETURN_IF_ERROR(SyncDirectory(path_));
  // Fails where the name is taken, unless by an empty directory, which holds nothing to lose.
  if (std::rename(path_.c_str(), destination_.c_str()) != 0) {
    const bool taken = errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR;
    return taken ? AlreadyThere(destination_) : absl::ErrnoToStatus(errno, destination_);
  }
  path_.clear();
  return SyncDirectory(ParentOf(destination_));
}

}  // namespace strided
