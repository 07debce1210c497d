// MINIMAL: files, packages and directories agree.

#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "tests/proto/descriptor_walk.h"

namespace strided {
namespace {

std::string DirectoryOf(const FileDescriptorProto& file) {
  const size_t slash = file.name().rfind('/');
  return slash == std::string::npos ? "." : file.name().substr(0, slash);
}

// Each key must have one value over all files.
LintFindings CheckOneValue(
    const DescriptorSet& set,
    const std::function<std::pair<std::string, std::string>(const FileDescriptorProto&)>& entry) {
  std::map<std::string, std::set<std::string>> values;
  for (const FileDescriptorProto& file : OurFiles(set)) {
    const auto [key, value] = entry(file);
    values[key].insert(value);
  }
  LintFindings findings;
  for (const auto& [key, found] : values) {
    if (found.size() > 1) findings.push_back(absl::StrCat(key, ": ", absl::StrJoin(found, ", ")));
  }
  return findings;
}

LintFindings CheckDirectorySamePackage(const DescriptorSet& set) {
  return CheckOneValue(
      set, [](const auto& file) { return std::pair(DirectoryOf(file), file.package()); });
}

LintFindings CheckPackageSameDirectory(const DescriptorSet& set) {
  return CheckOneValue(
      set, [](const auto& file) { return std::pair(file.package(), DirectoryOf(file)); });
}

LintFindings CheckPackageDefined(const DescriptorSet& set) {
  LintFindings findings;
  for (const FileDescriptorProto& file : OurFiles(set)) {
    if (file.package().empty()) findings.push_back(absl::StrCat(file.name(), ": no package"));
  }
  return findings;
}

LintFindings CheckPackageDirectoryMatch(const DescriptorSet& set) {
  LintFindings findings;
  for (const FileDescriptorProto& file : OurFiles(set)) {
    const std::string expected = absl::StrReplaceAll(file.package(), {{".", "/"}});
    if (DirectoryOf(file) != expected) {
      findings.push_back(
          absl::StrCat(file.name(), ": package ", file.package(), " belongs in ", expected));
    }
  }
  return findings;
}

}  // namespace

std::vector<LintRule> MinimalRules() {
  return {{"DIRECTORY_SAME_PACKAGE", CheckDirectorySamePackage},
          {"PACKAGE_DEFINED", CheckPackageDefined},
          {"PACKAGE_DIRECTORY_MATCH", CheckPackageDirectoryMatch},
          {"PACKAGE_SAME_DIRECTORY", CheckPackageSameDirectory}};
}

}  // namespace strided
