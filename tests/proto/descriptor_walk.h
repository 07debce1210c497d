// Walking over everything that a descriptor set declares.

#ifndef STRIDED_TESTS_PROTO_DESCRIPTOR_WALK_H_
#define STRIDED_TESTS_PROTO_DESCRIPTOR_WALK_H_

#include <google/protobuf/descriptor.pb.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/proto/buf_rules.h"

namespace strided {

using google::protobuf::DescriptorProto;
using google::protobuf::EnumDescriptorProto;
using google::protobuf::FieldDescriptorProto;
using google::protobuf::FileDescriptorProto;

// The files of ours in the set.
std::vector<FileDescriptorProto> OurFiles(const DescriptorSet& set);

// Every message of a file but the entries of maps, nested ones included.
std::vector<DescriptorProto> MessagesOf(const FileDescriptorProto& file);
// Every enum, those in messages included.
std::vector<EnumDescriptorProto> EnumsOf(const FileDescriptorProto& file);
// Every field of every message.
std::vector<FieldDescriptorProto> FieldsOf(const FileDescriptorProto& file);

// One finding for each name that does not match `pattern` as a whole.
using NamesOf = std::function<std::vector<std::string>(const FileDescriptorProto&)>;
LintFindings CheckNames(const DescriptorSet& set, const std::string& pattern,
                        const NamesOf& names_of);

inline constexpr char kPascalCase[] = "[A-Z][A-Za-z0-9]*";
inline constexpr char kLowerSnakeCase[] = "[a-z][a-z0-9]*(_[a-z0-9]+)*";
inline constexpr char kUpperSnakeCase[] = "[A-Z][A-Z0-9]*(_[A-Z0-9]+)*";

// "AUDIO_ENCODING" of "AudioEncoding".
std::string UpperSnakeCase(const std::string& pascal_case);

}  // namespace strided

#endif  // STRIDED_TESTS_PROTO_DESCRIPTOR_WALK_H_
