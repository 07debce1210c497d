#include "engine/model/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/file.h"
#include "tests/testing/config_text.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace strided {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

absl::Status Parse(absl::string_view text) { return ModelConfig::FromJson(text, "c").status(); }

absl::Status ParseWith(absl::string_view overrides) { return Parse(SmallConfigText(overrides)); }

TEST(ConfigTest, EveryFieldOfATextModelIsRead) {
  const ModelConfig config = SmallConfig();
  EXPECT_EQ(config.modality, Modality::kText);
  EXPECT_FALSE(config.image.has_value());
  EXPECT_FALSE(config.audio.has_value());
  EXPECT_EQ(config.vocab_size, 16);
  EXPECT_EQ(config.context_length, 24);
  EXPECT_EQ(config.n_layer, 2);
  EXPECT_EQ(config.n_head, 2);
  EXPECT_EQ(config.d_model, 8);
  EXPECT_EQ(config.d_ff, 16);
  EXPECT_EQ(config.d_key, 4);
  EXPECT_EQ(config.d_value, 4);
  EXPECT_EQ(config.activation, Activation::kQuickGelu);
  EXPECT_EQ(config.norm_epsilon, 1e-5);
  EXPECT_EQ(config.final_norm_epsilon, 1e-5);
  EXPECT_EQ(config.attention_scale, AttentionScale::kInverseSqrt);
  EXPECT_THAT(config.position_axes, ElementsAre(4, 6));
  EXPECT_EQ(config.position_rule, PositionRule::kPrevious);
  EXPECT_THAT(config.conditions, SizeIs(0));
  EXPECT_FALSE(config.tied_head);
  EXPECT_TRUE(config.head_bias);
}

TEST(ConfigTest, EveryEnumeratorHasItsName) {
  EXPECT_EQ(SmallConfig(R"({"activation": "gelu"})").activation, Activation::kGelu);
  EXPECT_EQ(SmallConfig(R"({"activation": "gelu_tanh"})").activation, Activation::kGeluTanh);
  EXPECT_EQ(SmallConfig(R"({"activation": "relu"})").activation, Activation::kRelu);
  EXPECT_EQ(SmallConfig(R"({"attention_scale": "none"})").attention_scale, AttentionScale::kNone);
  EXPECT_EQ(SmallConfig(R"({"position_rule": "current"})").position_rule, PositionRule::kCurrent);
}

TEST(ConfigTest, AnImageHasItsShape) {
  const ModelConfig config =
      SmallConfig(R"({"modality": "image", "image": {"height": 2, "width": 4, "channels": 3}})");
  ASSERT_TRUE(config.image.has_value());
  EXPECT_EQ(config.image->height, 2);
  EXPECT_EQ(config.image->width, 4);
  EXPECT_EQ(config.image->channels, 3);
  EXPECT_EQ(ModalityName(config.modality), "image");
}

TEST(ConfigTest, AudioHasItsFormat) {
  for (const char* encoding : {"mulaw", "linear8"}) {
    const ModelConfig config = SmallConfig(
        absl::StrCat(R"({"modality": "audio", "audio": {"sample_rate_hz": 12000, "encoding": ")",
                     encoding, R"("}})"));
    ASSERT_TRUE(config.audio.has_value());
    EXPECT_EQ(config.audio->sample_rate_hz, 12000);
    EXPECT_EQ(config.audio->encoding == AudioEncoding::kMulaw, encoding == std::string("mulaw"));
  }
}

TEST(ConfigTest, ANullFinalNormMeansNone) {
  EXPECT_FALSE(SmallConfig(R"({"final_norm_epsilon": null})").final_norm_epsilon.has_value());
}

TEST(ConfigTest, ConditionsKeepTheirOrderAndMayBeAbsent) {
  const ModelConfig config = SmallConfig(
      R"({"conditions": [{"name": "rotation", "values": 4}, {"name": "class_2", "values": 10}]})");
  ASSERT_THAT(config.conditions, SizeIs(2));
  EXPECT_EQ(config.conditions[0].name, "rotation");
  EXPECT_EQ(config.conditions[0].values, 4);
  EXPECT_EQ(config.conditions[1].name, "class_2");
  EXPECT_THAT(config.conditions[1].labels, SizeIs(0));
  EXPECT_OK(Parse(SmallConfigTextWithout("conditions")));
}

TEST(ConfigTest, ThePatternsAreCycledOverTheLayers) {
  const ModelConfig config = SmallConfig(R"({"n_layer": 5})");
  ASSERT_THAT(config.attention, SizeIs(5));
  for (size_t layer = 0; layer < 5; ++layer) {
    ASSERT_THAT(config.attention[layer], SizeIs(2));
    EXPECT_EQ(config.attention[layer][0].kind(),
              layer % 2 == 0 ? PatternKind::kLocal : PatternKind::kFixed);
  }
}

TEST(ConfigTest, EachHeadKnowsItsIndex) {
  const ModelConfig config = SmallConfig();
  EXPECT_EQ(config.attention[1][0].summary_offset(), 4);
  EXPECT_EQ(config.attention[1][1].summary_offset(), 2);
}

TEST(ConfigTest, HeadsMayHaveTheirOwnPatterns) {
  const ModelConfig config = SmallConfig(R"({"attention": [{"heads": [
      {"pattern": "previous_block", "stride": 6},
      {"pattern": "summary", "stride": 6, "cells": 1, "spread": 3}]}]})");
  EXPECT_EQ(config.attention[1][0].kind(), PatternKind::kPreviousBlock);
  EXPECT_EQ(config.attention[1][1].kind(), PatternKind::kSummary);
  EXPECT_EQ(config.attention[1][1].summary_offset(), 4);
}

TEST(ConfigTest, APositionIsUnravelledOverTheAxesInCOrder) {
  const ModelConfig config = SmallConfig(R"({"position_axes": [2, 4, 3]})");
  EXPECT_THAT(config.PositionCoordinates(0), ElementsAre(0, 0, 0));
  EXPECT_THAT(config.PositionCoordinates(2), ElementsAre(0, 0, 2));
  EXPECT_THAT(config.PositionCoordinates(3), ElementsAre(0, 1, 0));
  EXPECT_THAT(config.PositionCoordinates(12), ElementsAre(1, 0, 0));
  EXPECT_THAT(config.PositionCoordinates(23), ElementsAre(1, 3, 2));
}

TEST(ConfigTest, TheLargestSizesAreRead) {
  EXPECT_OK(ParseWith(R"({"vocab_size": 1048576, "context_length": 67108864, "n_layer": 4096,
                          "n_head": 64, "d_model": 65536, "d_ff": 262144, "d_key": 1024,
                          "d_value": 1024, "position_axes": [67108864]})"));
}

struct BadConfig {
  std::string overrides;
  std::string text;
};

TEST(ConfigTest, EverySizeIsNamedWithItsValueAndRange) {
  const struct {
    std::string name;
    std::string most;
  } sizes[] = {{"vocab_size", "1048576"}, {"context_length", "67108864"},
               {"n_layer", "4096"},       {"n_head", "1024"},
               {"d_model", "65536"},      {"d_ff", "262144"},
               {"d_key", "65536"},        {"d_value", "65536"}};
  for (const auto& size : sizes) {
    const std::string above = std::to_string(std::stoll(size.most) + 1);
    for (const std::string& bad :
         {std::string("0"), std::string("-1"), above, std::string("18446744073709551615"),
          std::string("-9223372036854775808"), std::string("4.0"), std::string("\"4\""),
          std::string("true"), std::string("null"), std::string("[4]")}) {
      EXPECT_THAT(ParseWith(absl::StrCat("{\"", size.name, "\": ", bad, "}")),
                  StatusIs(kInvalid, absl::StrCat("c: ", size.name, " is ", bad,
                                                  "; expected an integer from 1 to ", size.most)));
    }
    EXPECT_THAT(
        Parse(SmallConfigTextWithout(size.name)),
        StatusIs(kInvalid, absl::StrCat("c: ", size.name,
                                        " is missing; expected an integer from 1 to ", size.most)));
  }
}

TEST(ConfigTest, TheValuesOfAConditionMayHaveLabels) {
  const ModelConfig config = SmallConfig(
      R"({"conditions": [{"name": "class", "values": 2, "labels": ["any", "golden retriever"]}]})");
  EXPECT_THAT(config.conditions[0].labels, ElementsAre("any", "golden retriever"));
}

TEST(ConfigTest, EveryFieldButConditionsIsRequired) {
  const struct {
    std::string name;
    std::string expected;
  } fields[] = {
      {"architecture", "\"sparse_transformer\""},
      {"modality", "one of \"text\", \"image\", \"audio\""},
      {"activation", "one of \"quick_gelu\", \"gelu\", \"gelu_tanh\", \"relu\""},
      {"norm_epsilon", "a number above 0, at most 1"},
      {"final_norm_epsilon", "a number above 0, at most 1, or null"},
      {"attention_scale", "one of \"inverse_sqrt\", \"none\""},
      {"position_axes", "a list of 1 to 8 elements"},
      {"position_rule", "one of \"previous\", \"current\""},
      {"attention", "a list of 1 to 2 elements"},
      {"tied_head", "true or false"},
      {"head_bias", "true or false"},
  };
  for (const auto& field : fields) {
    EXPECT_THAT(Parse(SmallConfigTextWithout(field.name)),
                StatusIs(kInvalid, absl::StrCat("c: ", field.name, " is missing; expected ",
                                                field.expected)));
    for (const std::string& bad : {std::string("7"), std::string("\"\""), std::string("{}")}) {
      EXPECT_THAT(ParseWith(absl::StrCat("{\"", field.name, "\": ", bad, "}")),
                  StatusIs(kInvalid, absl::StrCat("c: ", field.name, " is ", bad, "; expected ",
                                                  field.expected)));
    }
  }
}

void ExpectRefused(const std::vector<BadConfig>& cases) {
  for (const BadConfig& c : cases) {
    EXPECT_THAT(ParseWith(c.overrides), StatusIs(kInvalid, "c: " + c.text)) << c.overrides;
  }
}

TEST(ConfigTest, SizesThatAreTooLargeTogetherAreRefused) {
  ExpectRefused({
      {R"({"n_layer": 4096, "n_head": 65})", "n_layer * n_head is 266240; expected at most 262144"},
      {R"({"n_head": 1024, "d_key": 65})", "n_head * d_key is 66560; expected at most 65536"},
      {R"({"n_head": 2, "d_value": 32769})", "n_head * d_value is 65538; expected at most 65536"},
  });
}

TEST(ConfigTest, EpsilonsAreSmallPositiveNumbers) {
  for (const std::string name : {"norm_epsilon", "final_norm_epsilon"}) {
    const std::string expected = name == "norm_epsilon" ? "a number above 0, at most 1"
                                                        : "a number above 0, at most 1, or null";
    for (const std::string value : {"0", "-1e-05", "1.5", "\"1e-5\"", "true", "[]"}) {
      ExpectRefused({{absl::StrCat("{\"", name, "\": ", value, "}"),
                      absl::StrCat(name, " is ", value, "; expected ", expected)}});
    }
  }
  EXPECT_THAT(ParseWith(R"({"norm_epsilon": null})"),
              StatusIs(kInvalid, "c: norm_epsilon is null; expected a number above 0, at most 1"));
  EXPECT_OK(ParseWith(R"({"norm_epsilon": 1})"));
}

TEST(ConfigTest, PositionAxesCoverTheContext) {
  ExpectRefused({
      {R"({"position_axes": []})", "position_axes is []; expected a list of 1 to 8 elements"},
      {R"({"position_axes": 24})", "position_axes is 24; expected a list of 1 to 8 elements"},
      {R"({"position_axes": [24,1,1,1,1,1,1,1,1]})",
       "position_axes is [24,1,1,1,1,1,1,1,1]; expected a list of 1 to 8 elements"},
      {R"({"position_axes": [4, 0]})",
       "position_axes[1] is 0; expected an integer from 1 to 1073741824"},
      {R"({"position_axes": [4, "6"]})",
       "position_axes[1] is \"6\"; expected an integer from 1 to 1073741824"},
      {R"({"position_axes": [1073741824, 2]})",
       "the product of position_axes is 2147483648; expected at most 1073741824"},
      {R"({"position_axes": [4, 5]})",
       "the product of position_axes is 20; expected at least 24, the context_length"},
  });
}

TEST(ConfigTest, ImagesFitTheContext) {
  const auto image = [](const char* shape) {
    return absl::StrCat(R"({"modality": "image", "image": )", shape, "}");
  };
  ExpectRefused({
      {R"({"modality": "image"})", "image is missing; expected an object"},
      {image("[2, 4, 3]"), "image is [2,4,3]; expected an object"},
      {image(R"({"height": 2, "width": 4})"),
       "image.channels is missing; expected an integer from 1 to 4"},
      {image(R"({"height": 0, "width": 4, "channels": 3})"),
       "image.height is 0; expected an integer from 1 to 65536"},
      {image(R"({"height": 2, "width": 65537, "channels": 3})"),
       "image.width is 65537; expected an integer from 1 to 65536"},
      {image(R"({"height": 2, "width": 2, "channels": 6})"),
       "image.channels is 6; expected an integer from 1 to 4"},
      {image(R"({"height": 65536, "width": 65536, "channels": 4})"),
       "image.height * image.width * image.channels is 17179869184; expected 24, the "
       "context_length"},
      {image(R"({"height": 2, "width": 4, "channels": 3, "depth": 8})"),
       "image.depth is an unknown field; expected only height, width, channels"},
      {R"({"image": {"height": 2, "width": 4, "channels": 3}})",
       "image is {\"channels\":3,\"height\":2,\"width\":4}; expected none with the modality text"},
  });
}

TEST(ConfigTest, AudioCodesHaveEightBits) {
  const auto audio = [](const char* format) {
    return absl::StrCat(R"({"modality": "audio", "audio": )", format, "}");
  };
  ExpectRefused({
      {R"({"modality": "audio"})", "audio is missing; expected an object"},
      {audio("12000"), "audio is 12000; expected an object"},
      {audio(R"({"encoding": "mulaw"})"),
       "audio.sample_rate_hz is missing; expected an integer from 1 to 768000"},
      {audio(R"({"sample_rate_hz": 768001, "encoding": "mulaw"})"),
       "audio.sample_rate_hz is 768001; expected an integer from 1 to 768000"},
      {audio(R"({"sample_rate_hz": 12000, "encoding": "alaw"})"),
       "audio.encoding is \"alaw\"; expected one of \"mulaw\", \"linear8\""},
      {audio(R"({"sample_rate_hz": 12000, "encoding": "mulaw", "bits": 8})"),
       "audio.bits is an unknown field; expected only sample_rate_hz, encoding"},
      {R"({"modality": "audio", "vocab_size": 257,
           "audio": {"sample_rate_hz": 12000, "encoding": "mulaw"}})",
       "vocab_size is 257; expected at most 256 with the modality audio"},
      {R"({"audio": {}})", "audio is {}; expected none with the modality text"},
  });
}

TEST(ConfigTest, EveryPatternFieldIsNamedWithItsPath) {
  const auto attention = [](const char* list) {
    return absl::StrCat(R"({"attention": )", list, "}");
  };
  ExpectRefused({
      {attention("[]"), "attention is []; expected a list of 1 to 2 elements"},
      {attention(R"({"pattern": "dense"})"),
       "attention is {\"pattern\":\"dense\"}; expected a list of 1 to 2 elements"},
      {attention(R"([{"pattern": "dense"}, {"pattern": "dense"}, {"pattern": "dense"}])"),
       "attention is [{\"pattern\":\"dense\"},{\"pattern\":\"dense\"},{\"pattern\":\"dense\"}...; "
       "expected a list of 1 to 2 elements"},
      {attention(R"(["dense"])"), "attention[0] is \"dense\"; expected an object"},
      {attention("[{}]"), "attention[0].pattern is missing; expected a string"},
      {attention(R"([{"pattern": 3}])"), "attention[0].pattern is 3; expected a string"},
      {attention(R"([{"pattern": "dense"}, {"pattern": "banded"}])"),
       "attention[1].pattern is \"banded\"; expected one of dense, local, strided, "
       "local_strided, block, summary, fixed, previous_block"},
      {attention(R"([{"pattern": "local"}])"),
       "attention[0].window is missing; expected an integer from 1 to 67108864"},
      {attention(R"([{"pattern": "local", "window": 0}])"),
       "attention[0].window is 0; expected an integer from 1 to 67108864"},
      {attention(R"([{"pattern": "local", "window": 67108865}])"),
       "attention[0].window is 67108865; expected an integer from 1 to 67108864"},
      {attention(R"([{"pattern": "strided", "stride": "6"}])"),
       "attention[0].stride is \"6\"; expected an integer from 1 to 67108864"},
      {attention(R"([{"pattern": "strided", "stride": 6, "window": 3}])"),
       "attention[0].window is 3; expected none, the pattern strided has no window"},
      {attention(R"([{"pattern": "fixed", "stride": 6, "cells": 2}])"),
       "attention[0].spread is missing; expected an integer from 1 to 67108864"},
      {attention(R"([{"pattern": "fixed", "stride": 6, "cells": 2, "spread": 4}])"),
       "attention[0].cells is 2 with spread 4; expected cells * spread <= 6, the stride"},
      {attention(R"([{"pattern": "strided", "strid": 6, "stride": 6}])"),
       "attention[0].strid is an unknown field; expected only pattern, window, stride, cells, "
       "spread"},
      {attention(R"([{"heads": [{"pattern": "dense"}]}])"),
       "attention[0].heads is [{\"pattern\":\"dense\"}]; expected a list of 2 elements"},
      {attention(R"([{"heads": 2}])"), "attention[0].heads is 2; expected a list of 2 elements"},
      {attention(R"([{"heads": [{"pattern": "dense"}, {"pattern": "strided", "stride": -1}]}])"),
       "attention[0].heads[1].stride is -1; expected an integer from 1 to 67108864"},
      {attention(R"([{"heads": [{"pattern": "dense"}, {"pattern": "block"}]}])"),
       "attention[0].heads[1].stride is missing; expected an integer from 1 to 67108864"},
      {attention(R"([{"heads": [{"heads": []}, {"pattern": "dense"}]}])"),
       "attention[0].heads[0].pattern is missing; expected a string"},
      {attention(
           R"([{"pattern": "dense", "heads": [{"pattern": "dense"}, {"pattern": "dense"}]}])"),
       "attention[0].pattern is an unknown field; expected only heads"},
  });
}

TEST(ConfigTest, ConditionsHaveDistinctPlainNames) {
  const auto conditions = [](const char* list) {
    return absl::StrCat(R"({"conditions": )", list, "}");
  };
  ExpectRefused({
      {conditions("{}"), "conditions is {}; expected a list of 0 to 64 elements"},
      {conditions("[4]"), "conditions[0] is 4; expected an object"},
      {conditions(R"([{"values": 4}])"), "conditions[0].name is missing; expected a string"},
      {conditions(R"([{"name": "a.b", "values": 4}])"),
       "conditions[0].name is \"a.b\"; expected 1 to 64 of a-z, 0-9 and _"},
      {conditions(R"([{"name": "", "values": 4}])"),
       "conditions[0].name is \"\"; expected 1 to 64 of a-z, 0-9 and _"},
      {conditions(R"([{"name": "a", "values": 0}])"),
       "conditions[0].values is 0; expected an integer from 1 to 1048576"},
      {conditions(R"([{"name": "a", "values": 4}, {"name": "a", "values": 4}])"),
       "conditions[1].name is \"a\"; expected a name that no earlier condition has"},
      {conditions(R"([{"name": "a", "values": 4, "default": 1}])"),
       "conditions[0].default is an unknown field; expected only name, values, labels"},
      {conditions(R"([{"name": "a", "values": 2, "labels": ["x"]}])"),
       "conditions[0].labels is [\"x\"]; expected a list of 2 elements"},
      {conditions(R"([{"name": "a", "values": 2, "labels": ["x", 3]}])"),
       "conditions[0].labels[1] is 3; expected 1 to 64 bytes of printable ASCII that are no whole "
       "number"},
      {conditions(R"([{"name": "a", "values": 2, "labels": ["x", "12"]}])"),
       "conditions[0].labels[1] is \"12\"; expected 1 to 64 bytes of printable ASCII that are no "
       "whole number"},
      {conditions(R"([{"name": "a", "values": 1, "labels": [""]}])"),
       "conditions[0].labels[0] is \"\"; expected 1 to 64 bytes of printable ASCII that are no "
       "whole number"},
      {conditions(R"([{"name": "a", "values": 2, "labels": ["x", "x"]}])"),
       "conditions[0].labels[1] is \"x\"; expected a label that no earlier value has"},
  });
}

TEST(ConfigTest, AnUnknownFieldIsNamed) {
  EXPECT_THAT(ParseWith(R"({"n_layers": 2})"),
              StatusIs(kInvalid, HasSubstr("c: n_layers is an unknown field; expected only "
                                           "architecture, modality, vocab_size, ")));
  EXPECT_THAT(ParseWith(R"({"a\nb\u00e9": 2})"),
              StatusIs(kInvalid, HasSubstr("c: \"a\\nb\\u00e9\" is an unknown field")));
}

TEST(ConfigTest, ALongValueIsCutInTheError) {
  EXPECT_THAT(ParseWith(absl::StrCat(R"({"modality": ")", std::string(1000, 'x'), "\"}")),
              StatusIs(kInvalid, absl::StrCat("c: modality is \"", std::string(59, 'x'),
                                              "...; expected one of \"text\", \"image\", "
                                              "\"audio\"")));
}

TEST(ConfigTest, WhatIsNotStrictJsonIsRefusedWithItsPlace) {
  const struct {
    std::string json;
    std::string text;
  } cases[] = {
      {"", "c is not JSON at byte 1"},
      {"{", "c is not JSON at byte 2"},
      {"[]", "c: the document is []; expected an object"},
      {"null", "c: the document is null; expected an object"},
      {"{} {}", "c is not JSON at byte 4"},
      {"{\"norm_epsilon\": NaN}", "c is not JSON at byte 18"},
      {"{\"norm_epsilon\": -Infinity}", "c is not JSON at byte 19"},
      {"{\"norm_epsilon\": 1e999}", "c is not JSON at byte 22"},
      {"{\"n_layer\": 2,}", "c is not JSON at byte 15"},
      {"{\"n_layer\": 2} // two", "c is not JSON at byte 16"},
      {"{'n_layer': 2}", "c is not JSON at byte 2"},
      {"{\"modality\": \"\xff\"}", "c is not JSON at byte 15"},
      {"{\"modality\": \"\xc0\xaf\"}", "c is not JSON at byte 15"},
      {std::string("{\"modality\": \"a\0\"}", 18), "c is not JSON at byte 16"},
      {"{\"n_layer\": 2, \"n_layer\": 3}", "c has the key \"n_layer\" twice in one object"},
      {"{\"image\": {\"width\": 1, \"width\": 1}}", "c has the key \"width\" twice in one object"},
      {std::string(17, '['), "c is nested more than 16 deep"},
      {std::string(1000000, '['), "c is nested more than 16 deep"},
  };
  for (const auto& c : cases) {
    EXPECT_THAT(Parse(c.json), StatusIs(kInvalid, c.text)) << c.json.substr(0, 80);
  }
}

TEST(ConfigTest, AFileIsReadAndNamedInErrors) {
  const TemporaryDirectory directory;
  EXPECT_OK(ModelConfig::Load(directory.Write("config.json", SmallConfigText())));
  const std::string bad = directory.Write("config.json", SmallConfigText(R"({"n_head": 0})"));
  EXPECT_THAT(ModelConfig::Load(bad),
              StatusIs(kInvalid, bad + ": n_head is 0; expected an integer from 1 to 1024"));
}

TEST(ConfigTest, AFileThatIsNotThereOrNotOneIsRefused) {
  const TemporaryDirectory directory;
  EXPECT_THAT(ModelConfig::Load(directory.path() + "/config.json"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("config.json")));
  EXPECT_THAT(ModelConfig::Load(directory.path()),
              StatusIs(kInvalid, directory.path() + " is not a regular file"));
  const std::string large = directory.Write("config.json", std::string((1 << 20) + 1, ' '));
  EXPECT_THAT(ModelConfig::Load(large),
              StatusIs(kInvalid, large + " has 1048577 bytes; expected at most 1048576"));
}

TEST(ConfigTest, TheExampleInTheEnginesReadmeIsValid) {
  ASSERT_OK_AND_ASSIGN(const std::string readme, ReadSmallFile("engine/README.md", 1 << 20));
  const std::string opening = "```json\n";
  const size_t begin = readme.find(opening) + opening.size();
  const size_t end = readme.find("```", begin);
  ASSERT_NE(end, std::string::npos);
  EXPECT_OK(ModelConfig::FromJson(readme.substr(begin, end - begin), "engine/README.md"));
}

TEST(ConfigTest, TheTextOfAConfigurationReadsAsTheSame) {
  const ModelConfig config = SmallConfig(
      R"({"modality": "image", "image": {"height": 2, "width": 4, "channels": 3}, "n_layer": 3,
          "final_norm_epsilon": null, "activation": "relu", "position_rule": "current",
          "attention_scale": "none", "conditions": [{"name": "a", "values": 4}]})");
  ASSERT_OK_AND_ASSIGN(const ModelConfig again, ModelConfig::FromJson(ConfigText(config), "c"));
  EXPECT_EQ(ConfigText(again), ConfigText(config));
  EXPECT_EQ(again.attention, config.attention);
}

TEST(ConfigTest, ANormIsOfLayersUnlessItSaysScale) {
  EXPECT_EQ(SmallConfig().norm, Norm::kLayer);
  EXPECT_EQ(SmallConfig(R"({"norm": "scale"})").norm, Norm::kScale);
  EXPECT_THAT(ModelConfig::FromJson(SmallConfigText(R"({"norm": "batch"})"), "c"),
              StatusIs(kInvalid, HasSubstr("norm is \"batch\"; expected")));
}

TEST(ConfigTest, AStartTokenTakesThePlaceOfTheStartVector) {
  EXPECT_TRUE(SmallConfig().has_start_vector);
  const ModelConfig config = SmallConfig(R"({"position_rule": "current", "start_token": 3})");
  EXPECT_FALSE(config.has_start_vector);
  EXPECT_EQ(config.start_token, 3);
  const ModelConfig open = SmallConfig(R"({"position_rule": "current", "start_token": null})");
  EXPECT_FALSE(open.has_start_vector);
  EXPECT_EQ(open.start_token, std::nullopt);
}

TEST(ConfigTest, AStartTokenNeedsItsOwnPositionAndNoConditions) {
  const auto refuses = [](absl::string_view overrides, absl::string_view text) {
    EXPECT_THAT(ModelConfig::FromJson(SmallConfigText(overrides), "c"),
                StatusIs(kInvalid, HasSubstr(text)));
  };
  refuses(R"({"position_rule": "current", "start_token": -1})", "start_token is -1");
  refuses(R"({"position_rule": "current", "start_token": 99999999})", "start_token is 99999999");
  refuses(R"({"position_rule": "previous", "start_token": 0})", "position_rule is \"previous\"");
  refuses(R"({"position_rule": "current", "start_token": 0,
              "conditions": [{"name": "label", "values": 2}]})",
          "conditions is");
}

}  // namespace
}  // namespace strided
