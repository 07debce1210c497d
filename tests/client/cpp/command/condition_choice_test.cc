#include "client/cpp/command/condition_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "client/cpp/command/outcome.h"
#include "tests/client/cpp/scripted_server.h"
#include "tests/testing/status_matchers.h"

namespace strided::client {
namespace {

using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

// With "animal" (any, cat, golden retriever) and "turn" (4 values without labels).
v1::Model Conditional() {
  v1::Model model = ImageModel(2, 2, 1);
  v1::Condition* animal = model.add_conditions();
  animal->set_name("animal");
  animal->set_values(3);
  for (const char* label : {"any", "cat", "golden retriever"}) animal->add_labels(label);
  v1::Condition* turn = model.add_conditions();
  turn->set_name("turn");
  turn->set_values(4);
  return model;
}

absl::StatusOr<google::protobuf::Map<std::string, uint32_t>> ValuesOf(
    const std::vector<std::string>& flags, const v1::Model& model) {
  const auto choices = ParseConditions(flags);
  if (!choices.ok()) return choices.status();
  return ConditionValues(*choices, &model);
}

TEST(ConditionChoiceTest, NumbersNeedNoModel) {
  ASSERT_OK_AND_ASSIGN(const auto choices, ParseConditions({"class=3", "size=0"}));
  EXPECT_FALSE(HasLabels(choices));
  ASSERT_OK_AND_ASSIGN(const auto values, ConditionValues(choices, nullptr));
  EXPECT_THAT(values, UnorderedElementsAre(Pair("class", 3), Pair("size", 0)));
}

TEST(ConditionChoiceTest, ALabelStandsForItsPlaceInTheList) {
  ASSERT_OK_AND_ASSIGN(const auto choices, ParseConditions({"animal=cat"}));
  EXPECT_TRUE(HasLabels(choices));
  ASSERT_OK_AND_ASSIGN(const auto values,
                       ValuesOf({"animal=golden retriever", "turn=3"}, Conditional()));
  EXPECT_THAT(values, UnorderedElementsAre(Pair("animal", 2), Pair("turn", 3)));
}

TEST(ConditionChoiceTest, WhatTheModelDoesNotKnowIsRefusedWithWhatItHas) {
  const std::vector<std::pair<std::string, std::string>> table = {
      {"animal=zebra",
       "--condition: 'zebra' is no animal of the model 'image', which has any, cat, golden "
       "retriever"},
      {"colour=red",
       "--condition: 'colour' is no condition of the model 'image', which has animal, turn"},
      {"turn=left",
       "--condition: 'left' is not a whole number, and turn of the model 'image' has no labels"},
      {"animal", "--condition: 'animal' is not of the form name=value"},
  };
  for (const auto& [flag, expected] : table) {
    const absl::Status status = ValuesOf({flag}, Conditional()).status();
    EXPECT_TRUE(IsUsageError(status));
    EXPECT_EQ(status.message(), expected);
  }
  EXPECT_THAT(ValuesOf({"a=b"}, TextModel("text", 8)).status().message(),
              HasSubstr("'a' is no condition of the model 'text', which has none"));
}

TEST(ConditionChoiceTest, OfVeryManyLabelsTheFirstAreShown) {
  v1::Model model = Conditional();
  for (int i = 3; i < 1000; ++i) {
    model.mutable_conditions(0)->add_labels(absl::StrCat("breed ", i));
  }
  EXPECT_THAT(ValuesOf({"animal=zebra"}, model).status().message(),
              HasSubstr("breed 99, and 900 more (stride models --json)"));
}

}  // namespace
}  // namespace strided::client
