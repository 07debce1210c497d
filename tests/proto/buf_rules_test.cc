// buf's STANDARD lint rules hold for the contract, and each of them catches what it is for.

#include "tests/proto/buf_rules.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <set>
#include <string>
#include <vector>

namespace strided {
namespace {

using ::testing::IsEmpty;
using ::testing::Not;

// The set that the build writes for this preset.
DescriptorSet Contract() {
  std::ifstream file(STRIDED_DESCRIPTORS, std::ios::binary);
  DescriptorSet set;
  EXPECT_TRUE(set.ParseFromIstream(&file)) << STRIDED_DESCRIPTORS;
  return set;
}

TEST(BufRulesTest, TheContractHasBothFiles) {
  const DescriptorSet contract = Contract();
  std::set<std::string> names;
  for (const auto& file : contract.file()) names.insert(file.name());
  EXPECT_TRUE(names.contains("strided/v1/sampling.proto"));
  EXPECT_TRUE(names.contains("strided/v1/models.proto"));
}

TEST(BufRulesTest, TheContractKeepsEveryStandardRule) {
  const DescriptorSet contract = Contract();
  for (const LintRule& rule : StandardRules()) {
    EXPECT_THAT(rule.check(contract), IsEmpty()) << rule.name;
  }
}

TEST(BufRulesTest, TheRulesAreThoseOfStandard) {
  EXPECT_EQ(MinimalRules().size(), 4U);
  EXPECT_EQ(BasicOnlyRules().size(), 22U);
  EXPECT_EQ(StandardOnlyRules().size(), 10U);
}

// Two small files that break no rule.
DescriptorSet GoodSet() {
  DescriptorSet set;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
      R"pb(
        file {
          name: "strided/v1/shapes.proto"
          package: "strided.v1"
          syntax: "proto3"
          message_type {
            name: "Shape"
            field { name: "side_count" label: LABEL_OPTIONAL type: TYPE_INT32 }
          }
          enum_type {
            name: "ShapeKind"
            value { name: "SHAPE_KIND_UNSPECIFIED" number: 0 }
            value { name: "SHAPE_KIND_ROUND" number: 1 }
          }
        }
        file {
          name: "strided/v1/drawing.proto"
          package: "strided.v1"
          syntax: "proto3"
          dependency: "strided/v1/shapes.proto"
          message_type {
            name: "DrawRequest"
            field { name: "shape" type: TYPE_MESSAGE type_name: ".strided.v1.Shape" oneof_index: 0 }
            field { name: "width" type: TYPE_INT32 proto3_optional: true oneof_index: 1 }
            oneof_decl { name: "what_to_draw" }
            oneof_decl { name: "_width" }
          }
          message_type { name: "DrawResponse" }
          service {
            name: "DrawingService"
            method {
              name: "Draw"
              input_type: ".strided.v1.DrawRequest"
              output_type: ".strided.v1.DrawResponse"
            }
          }
        }
      )pb",
      &set));
  return set;
}

TEST(BufRulesTest, AGoodSetPassesEveryRule) {
  for (const LintRule& rule : StandardRules()) {
    EXPECT_THAT(rule.check(GoodSet()), IsEmpty()) << rule.name;
  }
}

using Break = std::function<void(DescriptorSet&)>;
using google::protobuf::FileDescriptorProto;

FileDescriptorProto& Shapes(DescriptorSet& set) { return *set.mutable_file(0); }
FileDescriptorProto& Drawing(DescriptorSet& set) { return *set.mutable_file(1); }
auto& Kind(DescriptorSet& set) { return *Shapes(set).mutable_enum_type(0); }
auto& Draw(DescriptorSet& set) { return *Drawing(set).mutable_service(0)->mutable_method(0); }

// One way to break each rule, by its name.
std::vector<std::pair<std::string, Break>> Breaks() {
  return {
      {"DIRECTORY_SAME_PACKAGE", [](auto& set) { Shapes(set).set_package("strided.v2"); }},
      {"PACKAGE_DEFINED", [](auto& set) { Shapes(set).clear_package(); }},
      {"PACKAGE_DIRECTORY_MATCH", [](auto& set) { Shapes(set).set_name("strided/shapes.proto"); }},
      {"PACKAGE_SAME_DIRECTORY", [](auto& set) { Shapes(set).set_name("other/shapes.proto"); }},
      {"ENUM_FIRST_VALUE_ZERO", [](auto& set) { Kind(set).mutable_value(0)->set_number(2); }},
      {"ENUM_NO_ALLOW_ALIAS",
       [](auto& set) { Kind(set).mutable_options()->set_allow_alias(true); }},
      {"ENUM_PASCAL_CASE", [](auto& set) { Kind(set).set_name("shape_kind"); }},
      {"ENUM_VALUE_UPPER_SNAKE_CASE",
       [](auto& set) { Kind(set).mutable_value(1)->set_name("SHAPE_KIND_Round"); }},
      {"FIELD_LOWER_SNAKE_CASE",
       [](auto& set) {
         Shapes(set).mutable_message_type(0)->mutable_field(0)->set_name("sides_");
       }},
      {"FIELD_NOT_REQUIRED",
       [](auto& set) {
         Shapes(set).mutable_message_type(0)->mutable_field(0)->set_label(
             google::protobuf::FieldDescriptorProto::LABEL_REQUIRED);
       }},
      {"IMPORT_NO_PUBLIC", [](auto& set) { Drawing(set).add_public_dependency(0); }},
      {"IMPORT_NO_WEAK", [](auto& set) { Drawing(set).add_weak_dependency(0); }},
      {"IMPORT_USED",
       [](auto& set) {
         Drawing(set).mutable_message_type(0)->mutable_field(0)->clear_type_name();
       }},
      {"MESSAGE_PASCAL_CASE",
       [](auto& set) {
         Shapes(set).mutable_message_type(0)->add_nested_type()->set_name("inner");
       }},
      {"ONEOF_LOWER_SNAKE_CASE",
       [](auto& set) {
         Drawing(set).mutable_message_type(0)->mutable_oneof_decl(0)->set_name("A");
       }},
      {"PACKAGE_LOWER_SNAKE_CASE", [](auto& set) { Shapes(set).set_package("strided.Shapes.v1"); }},
      {"PACKAGE_SAME_CSHARP_NAMESPACE",
       [](auto& set) { Shapes(set).mutable_options()->set_csharp_namespace("S"); }},
      {"PACKAGE_SAME_GO_PACKAGE",
       [](auto& set) { Shapes(set).mutable_options()->set_go_package("s"); }},
      {"PACKAGE_SAME_JAVA_MULTIPLE_FILES",
       [](auto& set) { Shapes(set).mutable_options()->set_java_multiple_files(true); }},
      {"PACKAGE_SAME_JAVA_PACKAGE",
       [](auto& set) { Shapes(set).mutable_options()->set_java_package("s"); }},
      {"PACKAGE_SAME_PHP_NAMESPACE",
       [](auto& set) { Shapes(set).mutable_options()->set_php_namespace("S"); }},
      {"PACKAGE_SAME_RUBY_PACKAGE",
       [](auto& set) { Shapes(set).mutable_options()->set_ruby_package("S"); }},
      {"PACKAGE_SAME_SWIFT_PREFIX",
       [](auto& set) { Shapes(set).mutable_options()->set_swift_prefix("S"); }},
      {"RPC_PASCAL_CASE", [](auto& set) { Draw(set).set_name("draw"); }},
      {"SERVICE_PASCAL_CASE",
       [](auto& set) { Drawing(set).mutable_service(0)->set_name("drawing_Service"); }},
      {"SYNTAX_SPECIFIED", [](auto& set) { Shapes(set).clear_syntax(); }},
      {"ENUM_VALUE_PREFIX", [](auto& set) { Kind(set).mutable_value(1)->set_name("ROUND"); }},
      {"ENUM_ZERO_VALUE_SUFFIX",
       [](auto& set) { Kind(set).mutable_value(0)->set_name("SHAPE_KIND_NONE"); }},
      {"FILE_LOWER_SNAKE_CASE", [](auto& set) { Shapes(set).set_name("strided/v1/Shapes.proto"); }},
      {"RPC_REQUEST_RESPONSE_UNIQUE",
       [](auto& set) { Draw(set).set_output_type(".strided.v1.DrawRequest"); }},
      {"RPC_REQUEST_STANDARD_NAME",
       [](auto& set) { Draw(set).set_input_type(".strided.v1.Shape"); }},
      {"RPC_RESPONSE_STANDARD_NAME",
       [](auto& set) { Draw(set).set_output_type(".strided.v1.Shape"); }},
      {"PACKAGE_NO_IMPORT_CYCLE",
       [](auto& set) {
         auto& other = *set.add_file();
         other.set_name("google/paint.proto");
         other.set_package("google");
         other.add_dependency("strided/v1/shapes.proto");
         Drawing(set).add_dependency("google/paint.proto");
       }},
      {"PACKAGE_VERSION_SUFFIX", [](auto& set) { Shapes(set).set_package("strided.v0"); }},
      {"PROTOVALIDATE",
       [](auto& set) { Drawing(set).add_dependency("buf/validate/validate.proto"); }},
      {"SERVICE_SUFFIX", [](auto& set) { Drawing(set).mutable_service(0)->set_name("Drawing"); }},
  };
}

TEST(BufRulesTest, EachRuleFindsWhatBreaksIt) {
  const std::vector<LintRule> rules = StandardRules();
  const auto breaks = Breaks();
  ASSERT_EQ(rules.size(), breaks.size());
  for (size_t i = 0; i < rules.size(); ++i) {
    ASSERT_EQ(rules[i].name, breaks[i].first);
    DescriptorSet set = GoodSet();
    breaks[i].second(set);
    EXPECT_THAT(rules[i].check(set), Not(IsEmpty())) << rules[i].name;
  }
}

TEST(BufRulesTest, FilesOfOthersAreNotChecked) {
  DescriptorSet set = GoodSet();
  auto& other = *set.add_file();
  other.set_name("google/rpc/bad_Name.proto");
  other.add_message_type()->set_name("lower");
  for (const LintRule& rule : StandardRules()) EXPECT_THAT(rule.check(set), IsEmpty()) << rule.name;
}

TEST(BufRulesTest, AnEnumsPrefixIsItsNameInCapitals) {
  DescriptorSet set = GoodSet();
  Kind(set).set_name("Shape2Kind");
  for (auto& value : *Kind(set).mutable_value()) value.set_name("SHAPE2_KIND_UNSPECIFIED");
  for (const LintRule& rule : StandardOnlyRules()) {
    EXPECT_THAT(rule.check(set), IsEmpty()) << rule.name;
  }
}

}  // namespace
}  // namespace strided
