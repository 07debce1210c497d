#include "server/repository/repository_scan.h"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"

namespace strided {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxNameBytes = 128;

absl::Status SystemError(const fs::path& path, const std::error_code& error) {
  return absl::ErrnoToStatus(error.value(), path.string());
}

bool IsModelName(absl::string_view name) {
  const auto is_alphanumeric = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c));
  };
  return !name.empty() && name.size() <= kMaxNameBytes && is_alphanumeric(name[0]) &&
         std::all_of(name.begin(), name.end(), [&](char c) {
           return is_alphanumeric(c) || c == '.' || c == '_' || c == '-';
         });
}

// The directories in `parent`, and whatever cannot be told, by name; neither files nor dot names.
absl::StatusOr<std::vector<fs::path>> DirectoriesIn(const fs::path& parent) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator entry(parent, error); !error && entry != fs::directory_iterator();
       entry.increment(error)) {
    const fs::path path = entry->path();
    std::error_code unknown;
    const fs::file_status status = fs::status(path, unknown);
    const bool dangling = entry->is_symlink(unknown) && !fs::exists(status);
    if (path.filename().string()[0] == '.') continue;
    if (fs::is_directory(status) || dangling || status.type() == fs::file_type::none) {
      found.push_back(path);
    }
  }
  if (error) return SystemError(parent, error);
  std::sort(found.begin(), found.end());
  return found;
}

// OK where `path` is a directory that can be read.
absl::Status CheckDirectory(const fs::path& path) {
  std::error_code error;
  if (fs::is_symlink(path, error) && !fs::exists(path, error)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path.string(), " is a symbolic link that leads nowhere"));
  }
  fs::directory_iterator first(path, error);
  return error ? SystemError(path, error) : absl::OkStatus();
}

absl::StatusOr<int64_t> HighestVersion(const fs::path& model) {
  const std::string name = model.filename().string();
  if (!IsModelName(name)) {
    return absl::InvalidArgumentError(
        absl::StrCat(absl::CHexEscape(model.string()), ": a model's name has 1 to ", kMaxNameBytes,
                     " letters, digits, '.', '_' and '-', and starts with a letter or digit"));
  }
  RETURN_IF_ERROR(CheckDirectory(model));
  ASSIGN_OR_RETURN(const std::vector<fs::path> directories, DirectoriesIn(model));
  int64_t highest = 0;
  for (const fs::path& directory : directories) {
    const absl::StatusOr<int64_t> version = ParseVersion(directory.filename().string());
    if (!version.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(
          absl::CHexEscape(directory.string()), " is no version: ", version.status().message()));
    }
    highest = std::max(highest, *version);
  }
  if (highest > 0) return highest;
  return absl::InvalidArgumentError(absl::StrCat(
      model.string(), " holds no version; expected a directory such as ", (model / "1").string()));
}

FoundModel FindVersion(const fs::path& model) {
  FoundModel found = {
      .name = model.filename().string(), .version = 0, .directory = {}, .problem = {}};
  const absl::StatusOr<int64_t> version = HighestVersion(model);
  if (!version.ok()) {
    found.problem = version.status();
    return found;
  }
  found.version = *version;
  found.directory = (model / absl::StrCat(*version)).string();
  found.problem = CheckDirectory(found.directory);
  return found;
}

}  // namespace

absl::StatusOr<int64_t> ParseVersion(absl::string_view text) {
  constexpr size_t kMaxDigits = 18;  // all of which fit
  int64_t version = 0;
  if (!text.empty() && text.size() <= kMaxDigits && text[0] != '0' &&
      text.find_first_not_of("0123456789") == absl::string_view::npos &&
      absl::SimpleAtoi(text, &version)) {
    return version;
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", absl::CHexEscape(text), "\"; expected a positive integer without leading zeros"));
}

absl::StatusOr<std::vector<FoundModel>> ScanRepository(const std::string& root) {
  std::error_code error;
  if (!fs::exists(root, error)) {
    return absl::NotFoundError(absl::StrCat("model_repository ", root, " does not exist"));
  }
  if (!fs::is_directory(root, error)) {
    return absl::InvalidArgumentError(absl::StrCat("model_repository ", root, " is no directory"));
  }
  ASSIGN_OR_RETURN(const std::vector<fs::path> models, DirectoriesIn(root));
  if (models.empty()) {
    return absl::NotFoundError(absl::StrCat("model_repository ", root,
                                            " holds no model; expected directories "
                                            "<model>/<version> with a config.json"));
  }
  std::vector<FoundModel> found;
  for (const fs::path& model : models) found.push_back(FindVersion(model));
  return found;
}

}  // namespace strided
