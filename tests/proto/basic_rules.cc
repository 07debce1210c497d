// BASIC, beside MINIMAL: spelling, imports, and options that agree within a package.

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "tests/proto/descriptor_walk.h"

namespace strided {
namespace {

using Names = std::vector<std::string>;

LintFindings CheckEnums(const DescriptorSet& set, const std::string& complaint,
                        const std::function<bool(const EnumDescriptorProto&)>& is_bad) {
  LintFindings findings;
  for (const FileDescriptorProto& file : OurFiles(set)) {
    for (const EnumDescriptorProto& declared : EnumsOf(file)) {
      if (is_bad(declared)) {
        findings.push_back(absl::StrCat(file.name(), ": enum ", declared.name(), complaint));
      }
    }
  }
  return findings;
}

LintFindings CheckFirstValueZero(const DescriptorSet& set) {
  return CheckEnums(set, " does not begin with 0", [](const EnumDescriptorProto& declared) {
    return declared.value().empty() || declared.value(0).number() != 0;
  });
}

LintFindings CheckNoAllowAlias(const DescriptorSet& set) {
  return CheckEnums(set, " allows aliases", [](const EnumDescriptorProto& declared) {
    return declared.options().allow_alias();
  });
}

Names EnumNames(const FileDescriptorProto& file) {
  Names names;
  for (const EnumDescriptorProto& declared : EnumsOf(file)) names.push_back(declared.name());
  return names;
}

Names EnumValueNames(const FileDescriptorProto& file) {
  Names names;
  for (const EnumDescriptorProto& declared : EnumsOf(file)) {
    for (const auto& value : declared.value()) names.push_back(value.name());
  }
  return names;
}

Names FieldNames(const FileDescriptorProto& file) {
  Names names;
  for (const FieldDescriptorProto& field : FieldsOf(file)) names.push_back(field.name());
  return names;
}

Names MessageNames(const FileDescriptorProto& file) {
  Names names;
  for (const DescriptorProto& message : MessagesOf(file)) names.push_back(message.name());
  return names;
}

// Those that are written in the file: protoc invents one for each `optional` field.
Names OneofNames(const FileDescriptorProto& file) {
  Names names;
  for (const DescriptorProto& message : MessagesOf(file)) {
    std::set<int> invented;
    for (const FieldDescriptorProto& field : message.field()) {
      if (field.proto3_optional()) invented.insert(field.oneof_index());
    }
    for (int i = 0; i < message.oneof_decl_size(); ++i) {
      if (!invented.contains(i)) names.push_back(message.oneof_decl(i).name());
    }
  }
  return names;
}

Names ServiceNames(const FileDescriptorProto& file) {
  Names names;
  for (const auto& service : file.service()) names.push_back(service.name());
  return names;
}

Names MethodNames(const FileDescriptorProto& file) {
  Names names;
  for (const auto& service : file.service()) {
    for (const auto& method : service.method()) names.push_back(method.name());
  }
  return names;
}

Names PackageParts(const FileDescriptorProto& file) {
  return absl::StrSplit(file.package(), '.', absl::SkipEmpty());
}

LintFindings CheckFieldNotRequired(const DescriptorSet& set) {
  LintFindings findings;
  for (const FileDescriptorProto& file : OurFiles(set)) {
    for (const FieldDescriptorProto& field : FieldsOf(file)) {
      if (field.label() != FieldDescriptorProto::LABEL_REQUIRED) continue;
      findings.push_back(absl::StrCat(file.name(), ": field ", field.name(), " is required"));
    }
  }
  return findings;
}

LintFindings CheckImportNoPublic(const DescriptorSet& set) {
  LintFindings findings;
  for (const FileDescriptorProto& file : OurFiles(set)) {
    for (const int index : file.public_dependency()) {
      findings.push_back(absl::StrCat(file.name(), ": public import ", file.dependency(index)));
    }
  }
  return findings;
}

LintFindings CheckImportNoWeak(const DescriptorSet& set) {
  LintFindings findings;
  for (const FileDescriptorProto& file : OurFiles(set)) {
    for (const int index : file.weak_dependency()) {
      findings.push_back(absl::StrCat(file.name(), ": weak import ", file.dependency(index)));
    }
  }
  return findings;
}

// Every message and enum type that the file mentions, as ".package.Name".
std::set<std::string> TypesUsedBy(const FileDescriptorProto& file) {
  std::set<std::string> types;
  for (const FieldDescriptorProto& field : FieldsOf(file)) {
    types.insert(field.type_name());
    types.insert(field.extendee());
  }
  for (const auto& service : file.service()) {
    for (const auto& method : service.method()) {
      types.insert({method.input_type(), method.output_type()});
    }
  }
  return types;
}

// The top-level types of the file. A nested type is used through its outermost message.
std::set<std::string> TypesOf(const FileDescriptorProto& file) {
  std::set<std::string> types;
  const std::string prefix = file.package().empty() ? "." : absl::StrCat(".", file.package(), ".");
  for (const auto& message : file.message_type()) types.insert(prefix + message.name());
  for (const auto& declared : file.enum_type()) types.insert(prefix + declared.name());
  return types;
}

bool Uses(const FileDescriptorProto& file, const FileDescriptorProto& imported) {
  const std::set<std::string> used = TypesUsedBy(file);
  for (const std::string& type : TypesOf(imported)) {
    for (const std::string& name : used) {
      if (name == type || absl::StartsWith(name, absl::StrCat(type, "."))) return true;
    }
  }
  return false;
}

LintFindings CheckImportUsed(const DescriptorSet& set) {
  LintFindings findings;
  for (const FileDescriptorProto& file : OurFiles(set)) {
    for (const FileDescriptorProto& imported : set.file()) {
      const auto& imports = file.dependency();
      if (std::find(imports.begin(), imports.end(), imported.name()) == imports.end()) continue;
      if (Uses(file, imported)) continue;
      findings.push_back(absl::StrCat(file.name(), ": unused import ", imported.name()));
    }
  }
  return findings;
}

// A proto3 file says so in its descriptor; a file without a syntax line says nothing. One that
// writes "proto2" out says nothing either, and is refused with it.
LintFindings CheckSyntaxSpecified(const DescriptorSet& set) {
  LintFindings findings;
  for (const FileDescriptorProto& file : OurFiles(set)) {
    if (file.syntax().empty()) findings.push_back(absl::StrCat(file.name(), ": no syntax"));
  }
  return findings;
}

// One value of an option for all files of a package, set in all or in none.
LintRule SameOption(const std::string& rule, const std::string& option) {
  return {rule, [option](const DescriptorSet& set) {
            std::map<std::string, std::set<std::string>> values;
            for (const FileDescriptorProto& file : OurFiles(set)) {
              const auto& options = file.options();
              const auto* field = options.GetDescriptor()->FindFieldByName(option);
              const auto* reflection = options.GetReflection();
              const std::string text = field->cpp_type() == field->CPPTYPE_BOOL
                                           ? absl::StrCat(reflection->GetBool(options, field))
                                           : reflection->GetString(options, field);
              values[file.package()].insert(text);
            }
            LintFindings findings;
            for (const auto& [package, found] : values) {
              if (found.size() < 2) continue;
              findings.push_back(
                  absl::StrCat(package, ": ", option, " is ", absl::StrJoin(found, ", ")));
            }
            return findings;
          }};
}

LintRule Spelling(const std::string& rule, const std::string& pattern, const NamesOf& names_of) {
  return {rule, [=](const DescriptorSet& set) { return CheckNames(set, pattern, names_of); }};
}

}  // namespace

std::vector<LintRule> BasicOnlyRules() {
  return {{"ENUM_FIRST_VALUE_ZERO", CheckFirstValueZero},
          {"ENUM_NO_ALLOW_ALIAS", CheckNoAllowAlias},
          Spelling("ENUM_PASCAL_CASE", kPascalCase, EnumNames),
          Spelling("ENUM_VALUE_UPPER_SNAKE_CASE", kUpperSnakeCase, EnumValueNames),
          Spelling("FIELD_LOWER_SNAKE_CASE", kLowerSnakeCase, FieldNames),
          {"FIELD_NOT_REQUIRED", CheckFieldNotRequired},
          {"IMPORT_NO_PUBLIC", CheckImportNoPublic},
          {"IMPORT_NO_WEAK", CheckImportNoWeak},
          {"IMPORT_USED", CheckImportUsed},
          Spelling("MESSAGE_PASCAL_CASE", kPascalCase, MessageNames),
          Spelling("ONEOF_LOWER_SNAKE_CASE", kLowerSnakeCase, OneofNames),
          Spelling("PACKAGE_LOWER_SNAKE_CASE", kLowerSnakeCase, PackageParts),
          SameOption("PACKAGE_SAME_CSHARP_NAMESPACE", "csharp_namespace"),
          SameOption("PACKAGE_SAME_GO_PACKAGE", "go_package"),
          SameOption("PACKAGE_SAME_JAVA_MULTIPLE_FILES", "java_multiple_files"),
          SameOption("PACKAGE_SAME_JAVA_PACKAGE", "java_package"),
          SameOption("PACKAGE_SAME_PHP_NAMESPACE", "php_namespace"),
          SameOption("PACKAGE_SAME_RUBY_PACKAGE", "ruby_package"),
          SameOption("PACKAGE_SAME_SWIFT_PREFIX", "swift_prefix"),
          Spelling("RPC_PASCAL_CASE", kPascalCase, MethodNames),
          Spelling("SERVICE_PASCAL_CASE", kPascalCase, ServiceNames),
          {"SYNTAX_SPECIFIED", CheckSyntaxSpecified}};
}

}  // namespace strided
