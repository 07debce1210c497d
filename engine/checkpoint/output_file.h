// A file that is written once, from front to back.

#ifndef STRIDED_ENGINE_CHECKPOINT_OUTPUT_FILE_H_
#define STRIDED_ENGINE_CHECKPOINT_OUTPUT_FILE_H_

#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace strided {

// An open file; its destruction closes it, whether or not it is whole. Errors are what the system
// says, starting with the path. Move only.
class OutputFile {
 public:
  // AlreadyExists where there is something at `path`.
  static absl::StatusOr<OutputFile> Create(const std::string& path);

  OutputFile(OutputFile&& other) noexcept
      : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}
  OutputFile& operator=(OutputFile&& other) noexcept {
    std::swap(path_, other.path_);
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~OutputFile();

  absl::Status Write(std::span<const std::byte> bytes);
  // Waits until the device has everything. The last call.
  absl::Status Finish();

 private:
  OutputFile(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}

  std::string path_;
  int descriptor_;  // -1 after a move
};

// Writes the whole file at once; as Create, Write and Finish.
absl::Status WriteNewFile(const std::string& path, absl::string_view contents);

// Waits until the device has the names in the directory at `path`.
absl::Status SyncDirectory(const std::string& path);

}  // namespace strided

#endif  // STRIDED_ENGINE_CHECKPOINT_OUTPUT_FILE_H_
