#include "client/cpp/output/byte_sink.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

namespace strided::client {
namespace {

constexpr char kWriteErrorUrl[] = "strided/write-error";
constexpr char kClosedPipeUrl[] = "strided/closed-pipe";
constexpr int kReadable = 0666;  // less the umask

std::string Cause(int error) { return std::strerror(error); }  // NOLINT(concurrency-mt-unsafe)

absl::Status OpenError(const std::string& path, int error) {
  return absl::InvalidArgumentError(absl::StrCat("cannot open '", path, "': ", Cause(error)));
}

absl::Status WriteError(const std::string& name, int error) {
  absl::Status status =
      absl::UnknownError(absl::StrCat("cannot write '", name, "': ", Cause(error)));
  status.SetPayload(kWriteErrorUrl, absl::Cord());
  if (error == EPIPE) status.SetPayload(kClosedPipeUrl, absl::Cord());
  return status;
}

absl::StatusOr<std::string> ReadAll(int descriptor, const std::string& name) {
  std::string contents;
  char buffer[1 << 16];
  while (true) {
    const ssize_t count = read(descriptor, buffer, sizeof(buffer));
    if (count == 0) return contents;
    if (count > 0) contents.append(buffer, static_cast<size_t>(count));
    if (count < 0 && errno != EINTR) {
      return absl::InvalidArgumentError(absl::StrCat("cannot read '", name, "': ", Cause(errno)));
    }
  }
}

}  // namespace

absl::Status StringSink::Write(absl::string_view bytes) {
  text_->append(bytes.data(), bytes.size());
  return absl::OkStatus();
}

absl::StatusOr<bool> StringSink::Overwrite(uint64_t offset, absl::string_view bytes) {
  text_->replace(begin_ + offset, bytes.size(), bytes.data(), bytes.size());
  return true;
}

absl::StatusOr<std::unique_ptr<FileSink>> FileSink::Create(const std::string& path) {
  Life life = Life::kMadeHere;
  int descriptor = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kReadable);
  if (descriptor < 0 && errno == EEXIST) {
    life = Life::kOwned;
    descriptor = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  }
  if (descriptor < 0) return OpenError(path, errno);
  return std::make_unique<FileSink>(descriptor, path, life);
}

FileSink::~FileSink() {
  if (life_ == Life::kBorrowed) return;
  close(descriptor_);
  if (life_ == Life::kMadeHere && !written_) unlink(name_.c_str());
}

absl::Status FileSink::BeginWriting() {
  // Devices and pipes cannot be cut, and need not be.
  if (life_ == Life::kOwned && ftruncate(descriptor_, 0) != 0 && errno != EINVAL) {
    return WriteError(name_, errno);
  }
  written_ = true;
  const bool appends = (fcntl(descriptor_, F_GETFL) & O_APPEND) != 0;
  if (!appends) begin_ = lseek(descriptor_, 0, SEEK_CUR);
  return absl::OkStatus();
}

absl::Status FileSink::Write(absl::string_view bytes) {
  if (!written_) {
    if (absl::Status status = BeginWriting(); !status.ok()) return status;
  }
  while (!bytes.empty()) {
    const ssize_t count = write(descriptor_, bytes.data(), bytes.size());
    if (count < 0 && errno != EINTR) return WriteError(name_, errno);
    if (count > 0) bytes.remove_prefix(static_cast<size_t>(count));
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> FileSink::Overwrite(uint64_t offset, absl::string_view bytes) {
  if (begin_ < 0) return false;
  auto at = static_cast<off_t>(begin_ + static_cast<int64_t>(offset));
  while (!bytes.empty()) {
    const ssize_t count = pwrite(descriptor_, bytes.data(), bytes.size(), at);
    if (count < 0 && errno != EINTR) return WriteError(name_, errno);
    if (count < 0) continue;
    bytes.remove_prefix(static_cast<size_t>(count));
    at += count;
  }
  return true;
}

bool IsWriteError(const absl::Status& status) {
  return status.GetPayload(kWriteErrorUrl).has_value();
}

bool IsClosedPipe(const absl::Status& status) {
  return status.GetPayload(kClosedPipeUrl).has_value();
}

absl::StatusOr<std::string> ReadInput(const std::string& path) {
  if (path == "-") return ReadAll(STDIN_FILENO, "standard input");
  const int descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return OpenError(path, errno);
  absl::StatusOr<std::string> contents = ReadAll(descriptor, path);
  close(descriptor);
  return contents;
}

}  // namespace strided::client
