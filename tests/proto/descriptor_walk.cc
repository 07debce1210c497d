#include "tests/proto/descriptor_walk.h"

#include <regex>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace strided {
namespace {

void AddMessages(const DescriptorProto& message, std::vector<DescriptorProto>& messages) {
  if (message.options().map_entry()) return;
  messages.push_back(message);
  for (const DescriptorProto& nested : message.nested_type()) AddMessages(nested, messages);
}

}  // namespace

std::vector<FileDescriptorProto> OurFiles(const DescriptorSet& set) {
  std::vector<FileDescriptorProto> files;
  for (const FileDescriptorProto& file : set.file()) {
    if (absl::StartsWith(file.name(), "strided/") || absl::StartsWith(file.package(), "strided.")) {
      files.push_back(file);
    }
  }
  return files;
}

std::vector<DescriptorProto> MessagesOf(const FileDescriptorProto& file) {
  std::vector<DescriptorProto> messages;
  for (const DescriptorProto& message : file.message_type()) AddMessages(message, messages);
  return messages;
}

std::vector<EnumDescriptorProto> EnumsOf(const FileDescriptorProto& file) {
  std::vector<EnumDescriptorProto> enums(file.enum_type().begin(), file.enum_type().end());
  for (const DescriptorProto& message : MessagesOf(file)) {
    enums.insert(enums.end(), message.enum_type().begin(), message.enum_type().end());
  }
  return enums;
}

std::vector<FieldDescriptorProto> FieldsOf(const FileDescriptorProto& file) {
  std::vector<FieldDescriptorProto> fields(file.extension().begin(), file.extension().end());
  for (const DescriptorProto& message : MessagesOf(file)) {
    fields.insert(fields.end(), message.field().begin(), message.field().end());
    for (const DescriptorProto& nested : message.nested_type()) {
      if (!nested.options().map_entry()) continue;  // the others are messages of their own
      fields.insert(fields.end(), nested.field().begin(), nested.field().end());
    }
  }
  return fields;
}

LintFindings CheckNames(const DescriptorSet& set, const std::string& pattern,
                        const NamesOf& names_of) {
  const std::regex expected(pattern);
  LintFindings findings;
  for (const FileDescriptorProto& file : OurFiles(set)) {
    for (const std::string& name : names_of(file)) {
      if (!std::regex_match(name, expected)) {
        findings.push_back(absl::StrCat(file.name(), ": ", name, " does not match ", pattern));
      }
    }
  }
  return findings;
}

std::string UpperSnakeCase(const std::string& pascal_case) {
  std::string result;
  for (size_t i = 0; i < pascal_case.size(); ++i) {
    const bool upper = absl::ascii_isupper(static_cast<unsigned char>(pascal_case[i]));
    const bool after_lower =
        i > 0 && !absl::ascii_isupper(static_cast<unsigned char>(pascal_case[i - 1]));
    if (upper && after_lower) result.push_back('_');
    result.push_back(absl::ascii_toupper(static_cast<unsigned char>(pascal_case[i])));
  }
  return result;
}

}  // namespace strided
