#include "engine/checkpoint/output_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "engine/base/status_macros.h"

namespace strided {

absl::StatusOr<OutputFile> OutputFile::Create(const std::string& path) {
  const int descriptor = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor < 0) return absl::ErrnoToStatus(errno, path);
  return OutputFile(path, descriptor);
}

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

absl::Status OutputFile::Write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(descriptor_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return absl::ErrnoToStatus(errno, path_);
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return absl::OkStatus();
}

absl::Status OutputFile::Finish() {
  return fsync(descriptor_) == 0 ? absl::OkStatus() : absl::ErrnoToStatus(errno, path_);
}

absl::Status WriteNewFile(const std::string& path, absl::string_view contents) {
  ASSIGN_OR_RETURN(OutputFile file, OutputFile::Create(path));
  RETURN_IF_ERROR(file.Write(std::as_bytes(std::span(contents))));
  return file.Finish();
}

absl::Status SyncDirectory(const std::string& path) {
  const int descriptor = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) return absl::ErrnoToStatus(errno, path);
  // Some file systems take no such request of a directory, and order its changes by themselves.
  const bool synced = fsync(descriptor) == 0 || errno == EINVAL;
  absl::Status status = synced ? absl::OkStatus() : absl::ErrnoToStatus(errno, path);
  close(descriptor);
  return status;
}

}  // namespace strided
