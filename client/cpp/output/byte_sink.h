// Where bytes go: a file, a standard stream, a string in a test.

#ifndef STRIDED_CLIENT_CPP_OUTPUT_BYTE_SINK_H_
#define STRIDED_CLIENT_CPP_OUTPUT_BYTE_SINK_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace strided::client {

// A place for output: a file, a standard stream, a string of a test. Used by one thread at a time.
class ByteSink {
 public:
  virtual ~ByteSink() = default;

  // All of `bytes`, at once: nothing is kept back. An error names the place and the cause.
  virtual absl::Status Write(absl::string_view bytes) = 0;

  // Puts `bytes` over those from `offset` on, counted from the first that was written here. False
  // where the place cannot go back, as a pipe. Requires that as many have been written.
  virtual absl::StatusOr<bool> Overwrite(uint64_t offset, absl::string_view bytes) = 0;
};

// Appends to a string that outlives it.
class StringSink final : public ByteSink {
 public:
  explicit StringSink(std::string* text) : text_(text), begin_(text->size()) {}
  absl::Status Write(absl::string_view bytes) override;
  absl::StatusOr<bool> Overwrite(uint64_t offset, absl::string_view bytes) override;

 private:
  std::string* const text_;
  const size_t begin_;  // of what was written here
};

// Writes to a file descriptor, again and again where the system takes less than all.
class FileSink final : public ByteSink {
 public:
  // Opens `path` for writing, so that a wrong one shows before any work is done. What the file held
  // stays until the first Write; a file that was made here and never written is removed again.
  // InvalidArgument where it cannot be opened.
  static absl::StatusOr<std::unique_ptr<FileSink>> Create(const std::string& path);

  enum class Life {
    kBorrowed,  // a standard stream: stays open after this
    kOwned,     // closed with this
    kMadeHere,  // closed with this, and removed if nothing was written
  };
  // Takes an open descriptor. `name` is the file's path, or what errors call it.
  FileSink(int descriptor, std::string name, Life life = Life::kBorrowed)
      : descriptor_(descriptor), name_(std::move(name)), life_(life) {}
  ~FileSink() override;
  FileSink(const FileSink&) = delete;
  FileSink& operator=(const FileSink&) = delete;

  absl::Status Write(absl::string_view bytes) override;
  absl::StatusOr<bool> Overwrite(uint64_t offset, absl::string_view bytes) override;

 private:
  absl::Status BeginWriting();

  const int descriptor_;
  const std::string name_;
  const Life life_;
  bool written_ = false;
  int64_t begin_ = -1;  // in the file, of what was written here; -1: none, or no way back
};

// Whether a Write failed: an error of this machine, whose code says nothing.
bool IsWriteError(const absl::Status& status);

// Whether a Write failed because nobody reads the other end of a pipe: the reader has had enough,
// which is no failure. Requires that SIGPIPE is ignored.
bool IsClosedPipe(const absl::Status& status);

// The contents of `path`, or of standard input for "-". InvalidArgument where it cannot be read.
absl::StatusOr<std::string> ReadInput(const std::string& path);

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_OUTPUT_BYTE_SINK_H_
