// STANDARD, beside BASIC: names that say what they belong to, and packages that can grow.

#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/proto/descriptor_walk.h"

namespace strided {
namespace {

LintFindings CheckEnumValuePrefix(const DescriptorSet& set) {
  LintFindings findings;
  for (const FileDescriptorProto& file : OurFiles(set)) {
    for (const EnumDescriptorProto& declared : EnumsOf(file)) {
      const std::string prefix = absl::StrCat(UpperSnakeCase(declared.name()), "_");
      for (const auto& value : declared.value()) {
        if (absl::StartsWith(value.name(), prefix)) continue;
        findings.push_back(absl::StrCat(file.name(), ": ", value.name(), " lacks ", prefix));
      }
    }
  }
  return findings;
}

LintFindings CheckEnumZeroValueSuffix(const DescriptorSet& set) {
  LintFindings findings;
  for (const FileDescriptorProto& file : OurFiles(set)) {
    for (const EnumDescriptorProto& declared : EnumsOf(file)) {
      for (const auto& value : declared.value()) {
        if (value.number() != 0 || absl::EndsWith(value.name(), "_UNSPECIFIED")) continue;
        findings.push_back(absl::StrCat(file.name(), ": ", value.name(), " is 0"));
      }
    }
  }
  return findings;
}

LintFindings CheckFileLowerSnakeCase(const DescriptorSet& set) {
  return CheckNames(set, absl::StrCat(kLowerSnakeCase, "\\.proto"), [](const auto& file) {
    return std::vector<std::string>{file.name().substr(file.name().rfind('/') + 1)};
  });
}

// One method with the message on one of its sides.
struct MethodSide {
  std::string file;
  std::string service;
  std::string method;
  std::string message;  // without its package
};

std::vector<MethodSide> SidesOf(const DescriptorSet& set, bool request) {
  std::vector<MethodSide> sides;
  for (const FileDescriptorProto& file : OurFiles(set)) {
    for (const auto& service : file.service()) {
      for (const auto& method : service.method()) {
        const std::string& type = request ? method.input_type() : method.output_type();
        sides.push_back(
            {file.name(), service.name(), method.name(), type.substr(type.rfind('.') + 1)});
      }
    }
  }
  return sides;
}

LintFindings CheckStandardName(const DescriptorSet& set, bool request) {
  LintFindings findings;
  for (const MethodSide& side : SidesOf(set, request)) {
    const std::string name = absl::StrCat(side.method, request ? "Request" : "Response");
    if (side.message == name || side.message == absl::StrCat(side.service, name)) continue;
    findings.push_back(
        absl::StrCat(side.file, ": ", side.method, " has ", side.message, ", expected ", name));
  }
  return findings;
}

LintFindings CheckRequestResponseUnique(const DescriptorSet& set) {
  LintFindings findings;
  std::set<std::string> seen;
  for (const bool request : {true, false}) {
    for (const MethodSide& side : SidesOf(set, request)) {
      if (seen.insert(side.message).second) continue;
      findings.push_back(
          absl::StrCat(side.file, ": ", side.message, " is used again by ", side.method));
    }
  }
  return findings;
}

bool Reaches(const std::map<std::string, std::set<std::string>>& imports, const std::string& from,
             const std::string& to, std::set<std::string>& visited) {
  if (!visited.insert(from).second) return false;
  const auto found = imports.find(from);
  if (found == imports.end()) return false;
  for (const std::string& next : found->second) {
    if (next == to || Reaches(imports, next, to, visited)) return true;
  }
  return false;
}

LintFindings CheckNoImportCycle(const DescriptorSet& set) {
  std::map<std::string, std::string> package_of;
  for (const FileDescriptorProto& file : set.file()) package_of[file.name()] = file.package();
  std::map<std::string, std::set<std::string>> imports;  // package -> other packages
  for (const FileDescriptorProto& file : set.file()) {
    for (const std::string& imported : file.dependency()) {
      if (package_of[imported] != file.package())
        imports[file.package()].insert(package_of[imported]);
    }
  }
  LintFindings findings;
  for (const FileDescriptorProto& file : OurFiles(set)) {
    std::set<std::string> visited;
    if (Reaches(imports, file.package(), file.package(), visited)) {
      findings.push_back(
          absl::StrCat(file.name(), ": package ", file.package(), " is in a cycle of imports"));
    }
  }
  return findings;
}

LintFindings CheckVersionSuffix(const DescriptorSet& set) {
  constexpr char kVersion[] = "v[1-9][0-9]*(test.*|(p[1-9][0-9]*)?(alpha|beta)([1-9][0-9]*)?)?";
  return CheckNames(set, kVersion, [](const FileDescriptorProto& file) {
    const std::vector<std::string> parts = absl::StrSplit(file.package(), '.');
    return std::vector<std::string>{parts.back()};
  });
}

// The contract has no protovalidate constraints: the server names the field, the value and the
// limit itself. So none can be invalid.
LintFindings CheckProtovalidate(const DescriptorSet& set) {
  LintFindings findings;
  for (const FileDescriptorProto& file : OurFiles(set)) {
    for (const std::string& imported : file.dependency()) {
      if (!absl::StartsWith(imported, "buf/validate/")) continue;
      findings.push_back(absl::StrCat(file.name(), ": unchecked constraints of ", imported));
    }
  }
  return findings;
}

LintFindings CheckServiceSuffix(const DescriptorSet& set) {
  return CheckNames(set, ".*Service", [](const FileDescriptorProto& file) {
    std::vector<std::string> names;
    for (const auto& service : file.service()) names.push_back(service.name());
    return names;
  });
}

}  // namespace

std::vector<LintRule> StandardOnlyRules() {
  return {
      {"ENUM_VALUE_PREFIX", CheckEnumValuePrefix},
      {"ENUM_ZERO_VALUE_SUFFIX", CheckEnumZeroValueSuffix},
      {"FILE_LOWER_SNAKE_CASE", CheckFileLowerSnakeCase},
      {"RPC_REQUEST_RESPONSE_UNIQUE", CheckRequestResponseUnique},
      {"RPC_REQUEST_STANDARD_NAME",
       [](const DescriptorSet& set) { return CheckStandardName(set, true); }},
      {"RPC_RESPONSE_STANDARD_NAME",
       [](const DescriptorSet& set) { return CheckStandardName(set, false); }},
      {"PACKAGE_NO_IMPORT_CYCLE", CheckNoImportCycle},
      {"PACKAGE_VERSION_SUFFIX", CheckVersionSuffix},
      {"PROTOVALIDATE", CheckProtovalidate},
      {"SERVICE_SUFFIX", CheckServiceSuffix},
  };
}

std::vector<LintRule> StandardRules() {
  std::vector<LintRule> rules = MinimalRules();
  for (const LintRule& rule : BasicOnlyRules()) rules.push_back(rule);
  for (const LintRule& rule : StandardOnlyRules()) rules.push_back(rule);
  return rules;
}

}  // namespace strided
