// A place for a test's files.

#ifndef STRIDED_TESTS_TESTING_TEMPORARY_DIRECTORY_H_
#define STRIDED_TESTS_TESTING_TEMPORARY_DIRECTORY_H_

#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace strided {

// An empty directory of its own, removed with all that it holds when this is destroyed. Move only.
// Aborts where the system gives none: a test cannot go on.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  TemporaryDirectory(TemporaryDirectory&& other) noexcept
      : path_(std::exchange(other.path_, std::string())) {}
  TemporaryDirectory& operator=(TemporaryDirectory&& other) noexcept {
    std::swap(path_, other.path_);
    return *this;
  }
  ~TemporaryDirectory();

  const std::string& path() const { return path_; }

  // Writes `<path>/<name>`, replacing an earlier one, making directories on the way, e.g.
  // "model/1/config.json". Returns the file's path.
  std::string Write(absl::string_view name, absl::string_view contents) const;

 private:
  std::string path_;  // empty after a move
};

}  // namespace strided

#endif  // STRIDED_TESTS_TESTING_TEMPORARY_DIRECTORY_H_
