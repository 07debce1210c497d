// What a model repository holds on disk: <root>/<model>/<version>/.

#ifndef STRIDED_SERVER_REPOSITORY_REPOSITORY_SCAN_H_
#define STRIDED_SERVER_REPOSITORY_REPOSITORY_SCAN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace strided {

// The highest version of one model, or why there is none.
struct FoundModel {
  std::string name;
  int64_t version = 0;    // positive; 0 with a problem
  std::string directory;  // of that version
  absl::Status problem;   // InvalidArgument, or what the system says; starts with the path
};

// "12" -> 12; InvalidArgument unless `text` is a positive integer of at most 18 digits without
// leading zeros: two spellings of one version would be two directories.
absl::StatusOr<int64_t> ParseVersion(absl::string_view text);

// Every model below `root`, by name. Plain files, and names that start with a dot, are left alone:
// model cards, ".git", the "..data" of Kubernetes. Any other directory is a model, and any
// directory in it a version; links to directories count as directories. A model has a problem where
// - its name is not 1 to 128 letters, digits, '.', '_' and '-', the first a letter or digit;
// - it, or a link of that name, cannot be read;
// - a directory in it is not a version (ParseVersion), or there is none.
// NotFound where `root` does not exist or holds no model; InvalidArgument where it is no directory;
// PermissionDenied where it cannot be read.
absl::StatusOr<std::vector<FoundModel>> ScanRepository(const std::string& root);

}  // namespace strided

#endif  // STRIDED_SERVER_REPOSITORY_REPOSITORY_SCAN_H_
