// The rules of `buf lint` in its category STANDARD (configuration v2), over a descriptor set.
//
// What each rule asks is described in buf's documentation under its name ("Rules and categories").
// Written out here because the build must need nothing that Debian does not package. The rules read
// the descriptors alone, so they also work on sets that protoc itself would refuse.

#ifndef STRIDED_TESTS_PROTO_BUF_RULES_H_
#define STRIDED_TESTS_PROTO_BUF_RULES_H_

#include <google/protobuf/descriptor.pb.h>

#include <functional>
#include <string>
#include <vector>

namespace strided {

using DescriptorSet = google::protobuf::FileDescriptorSet;
// One per offence: the file, the element, what is wrong.
using LintFindings = std::vector<std::string>;

struct LintRule {
  std::string name;  // buf's
  // Over the files of ours in the set: those under strided/ or in a package strided.*. The others
  // are there to look imports up in.
  std::function<LintFindings(const DescriptorSet&)> check;
};

// All of STANDARD, which includes BASIC and MINIMAL, in that order.
std::vector<LintRule> StandardRules();
std::vector<LintRule> MinimalRules();
std::vector<LintRule> BasicOnlyRules();
std::vector<LintRule> StandardOnlyRules();

}  // namespace strided

#endif  // STRIDED_TESTS_PROTO_BUF_RULES_H_
