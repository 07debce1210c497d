#include "client/cpp/command/models_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "client/cpp/output/json.h"

namespace strided::client {
namespace {

using ::testing::HasSubstr;

v1::Model Described() {
  v1::Model model;
  model.set_name("text");
  model.set_version("12");
  model.set_fingerprint("0123456789abcdef");
  model.set_state(v1::MODEL_STATE_READY);
  model.set_modality(v1::MODALITY_TEXT);
  model.set_context_length(12288);
  model.set_vocab_size(256);
  model.set_parameter_count(95'000'000);
  model.set_cache_bytes_per_sequence(uint64_t{2304});
  model.set_dense_cache_bytes_per_sequence(uint64_t{720} << 20);
  model.set_device("cpu");
  model.set_weight_format("int8");
  return model;
}

TEST(ModelsCommandTest, TheTableIsAligned) {
  EXPECT_EQ(ModelTable({Described()}),
            "NAME  VERSION  STATE  MODALITY  CONTEXT  PARAMETERS  CACHE     IF DENSE  "
            "FINGERPRINT   DEVICE\n"
            "text  12       READY  text      12,288   95,000,000  2.25 KiB  720 MiB   "
            "0123456789ab  cpu int8\n");
}

TEST(ModelsCommandTest, WhyAModelFailedStandsBeneathIt) {
  v1::Model model = Described();
  model.set_state(v1::MODEL_STATE_FAILED);
  model.set_state_reason("config.json: no field n_head");
  EXPECT_THAT(ModelTable({model, Described()}),
              HasSubstr("cpu int8\n  config.json: no field n_head\ntext"));
}

TEST(ModelsCommandTest, OfAModelThatCouldNotBeReadNothingIsMadeUp) {
  v1::Model model;
  model.set_name("bad");
  model.set_version("1");
  model.set_state(v1::MODEL_STATE_FAILED);
  EXPECT_THAT(ModelTable({model}), HasSubstr("bad   1        FAILED  -         -        -"));
}

TEST(ModelsCommandTest, AServersTextCannotSteerTheTerminal) {
  v1::Model model = Described();
  model.set_state_reason("\x1b[2J");
  EXPECT_THAT(ModelTable({model}), HasSubstr("\xe2\x90\x9b[2J"));
}

TEST(ModelsCommandTest, WhatAModelMayBeToldStandsBeneathIt) {
  v1::Model model = Described();
  v1::Condition* turn = model.add_conditions();
  turn->set_name("turn");
  turn->set_values(4);
  v1::Condition* animal = model.add_conditions();
  animal->set_name("animal");
  animal->set_values(3);
  for (const char* label : {"any", "cat", "dog"}) animal->add_labels(label);
  EXPECT_THAT(ModelTable({model}), HasSubstr("cpu int8\n  --condition turn=0 to 3\n"
                                             "  --condition animal=0 to 2: any, cat, dog\n"));
}

TEST(ModelsCommandTest, EveryModelIsALineOfJson) {
  v1::Model model = Described();
  model.mutable_image()->set_height(32);
  v1::Condition* condition = model.add_conditions();
  condition->set_name("class");
  condition->set_values(10);
  const Json line = Json::parse(ModelLines({model}), nullptr, /*allow_exceptions=*/false);
  EXPECT_EQ(line["fingerprint"], "0123456789abcdef");
  EXPECT_EQ(line["state"], "READY");
  EXPECT_EQ(line["dense_cache_bytes_per_sequence"], 754974720);
  EXPECT_EQ(line["image"]["height"], 32);
  EXPECT_EQ(line["conditions"]["class"]["values"], 10);
  EXPECT_EQ(line["conditions"]["class"]["labels"], Json::array());
}

}  // namespace
}  // namespace strided::client
