#include "engine/checkpoint/hugging_face_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;
using Json = nlohmann::json;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

Json Gpt2() {
  return {{"model_type", "gpt2"},
          {"n_embd", 8},
          {"n_layer", 4},
          {"n_head", 2},
          {"n_positions", 16},
          {"vocab_size", 10},
          {"n_inner", nullptr},
          {"bos_token_id", 9},
          {"eos_token_id", 9},
          {"attn_pdrop", 0.1},
          {"layer_norm_epsilon", 1e-6},
          {"activation_function", "gelu_new"}};
}

Json GptNeo() {
  return {{"model_type", "gpt_neo"},
          {"hidden_size", 8},
          {"num_layers", 4},
          {"num_heads", 2},
          {"max_position_embeddings", 16},
          {"vocab_size", 10},
          {"window_size", 5},
          {"attention_types", {{{"global", "local"}, 2}}}};
}

Json RuGpt() {
  return {{"model_type", "rugpt3xl"},       {"hidden_size", 8},
          {"num_hidden_layers", 2},         {"num_attention_heads", 2},
          {"max_position_embeddings", 256}, {"vocab_size", 10},
          {"sparse_mode", "alternating"}};
}

// `document` with the fields of `changes`.
Json With(Json document, const Json& changes) {
  document.update(changes);
  return document;
}

absl::StatusOr<HuggingFaceConfig> Parse(const Json& document) {
  return ParseHuggingFaceConfig(document.dump(), "config.json");
}

std::vector<PatternKind> KindsOf(const ModelConfig& config) {
  std::vector<PatternKind> kinds;
  for (const auto& layer : config.attention) kinds.push_back(layer[0].spec().kind);
  return kinds;
}

TEST(HuggingFaceConfigTest, AModelTypeTellsItFromOurs) {
  EXPECT_TRUE(IsHuggingFaceConfig(Gpt2().dump()));
  EXPECT_FALSE(IsHuggingFaceConfig(R"({"architecture": "sparse_transformer"})"));
  EXPECT_FALSE(IsHuggingFaceConfig("[]"));
  EXPECT_FALSE(IsHuggingFaceConfig("{"));
}

TEST(HuggingFaceConfigTest, Gpt2IsDenseScaledAndTied) {
  ASSERT_OK_AND_ASSIGN(const HuggingFaceConfig parsed, Parse(Gpt2()));
  const ModelConfig& config = parsed.config;
  EXPECT_EQ(config.d_ff, 32);
  EXPECT_EQ(config.d_key, 4);
  EXPECT_EQ(config.context_length, 16);
  EXPECT_EQ(config.activation, Activation::kGeluTanh);
  EXPECT_EQ(config.norm_epsilon, 1e-6);
  EXPECT_EQ(config.attention_scale, AttentionScale::kInverseSqrt);
  EXPECT_TRUE(config.tied_head);
  EXPECT_FALSE(config.has_start_vector);
  EXPECT_THAT(config.start_token, Optional(9));
  EXPECT_EQ(KindsOf(config), std::vector<PatternKind>(4, PatternKind::kDense));
}

TEST(HuggingFaceConfigTest, GptNeoAlternatesAndDoesNotScale) {
  ASSERT_OK_AND_ASSIGN(const HuggingFaceConfig parsed, Parse(GptNeo()));
  EXPECT_EQ(parsed.config.attention_scale, AttentionScale::kNone);
  EXPECT_EQ(KindsOf(parsed.config),
            (std::vector<PatternKind>{PatternKind::kDense, PatternKind::kLocal, PatternKind::kDense,
                                      PatternKind::kLocal}));
  EXPECT_EQ(parsed.config.attention[1][0].spec().window, 5);
}

TEST(HuggingFaceConfigTest, ImageGptHasOneTokenLessThanItsEmbedding) {
  const Json document = With(Gpt2(), {{"model_type", "imagegpt"}});
  ASSERT_OK_AND_ASSIGN(const HuggingFaceConfig parsed, Parse(document));
  EXPECT_EQ(parsed.config.vocab_size, 9);
  EXPECT_EQ(parsed.config.norm, Norm::kScale);
  EXPECT_TRUE(parsed.config.has_start_vector);
  EXPECT_FALSE(parsed.config.tied_head);
  EXPECT_EQ(parsed.config.image->height, 4);
  EXPECT_EQ(parsed.config.image->channels, 1);
}

TEST(HuggingFaceConfigTest, RuGpt3XlAlternatesFixedAndDense) {
  ASSERT_OK_AND_ASSIGN(const HuggingFaceConfig parsed, Parse(RuGpt()));
  const AttentionPattern::Spec& fixed = parsed.config.attention[0][0].spec();
  EXPECT_EQ(fixed.kind, PatternKind::kFixed);
  EXPECT_EQ(fixed.stride, 128);
  EXPECT_EQ(fixed.cells, 16);
  EXPECT_EQ(fixed.spread, 8);
  EXPECT_EQ(parsed.config.attention[1][0].spec().kind, PatternKind::kDense);
}

TEST(HuggingFaceConfigTest, AStartTokenBeyondTheVocabularyIsNone) {
  const Json document = With(Gpt2(), {{"bos_token_id", 50256}, {"eos_token_id", nullptr}});
  ASSERT_OK_AND_ASSIGN(const HuggingFaceConfig parsed, Parse(document));
  EXPECT_FALSE(parsed.config.has_start_vector);
  EXPECT_FALSE(parsed.config.start_token.has_value());
}

TEST(HuggingFaceConfigTest, WhatTheEngineHasNotIsRefusedByName) {
  const auto refuses = [](const Json& document, const std::string& text) {
    EXPECT_THAT(Parse(document), StatusIs(kInvalid, HasSubstr(text)));
  };
  refuses(With(Gpt2(), {{"model_type", "llama"}}),
          "config.json: model_type is \"llama\"; expected");
  refuses(With(Gpt2(), {{"scale_attn_by_inverse_layer_idx", true}}),
          "scale_attn_by_inverse_layer_idx is true; expected false");
  refuses(With(Gpt2(), {{"activation_function", "silu"}}), "activation_function is \"silu\"");
  refuses(With(Gpt2(), {{"n_head", 3}}), "n_head is 3; expected a divisor of n_embd, 8");
  refuses(With(Gpt2(), {{"vocab_size", 1 << 21}}), "vocab_size is 2097152");
  refuses(With(GptNeo(), {{"attention_types", {{{"global"}, 3}}}}), "attention_types is");
  refuses(With(GptNeo(), {{"attention_types", {{{"global"}, 4000000000u}}}}), "attention_types is");
  refuses(With(GptNeo(), {{"attention_layers", {"global", "local", "global", "wide"}}}),
          "\"wide\"");
  refuses(With(RuGpt(), {{"max_position_embeddings", 200}}), "a multiple of sparse_block_size");
  refuses(With(Gpt2(), {{"model_type", "imagegpt"}, {"n_positions", 17}}), "n_positions is 17");
}

TEST(HuggingFaceConfigTest, AMissingSizeIsNamed) {
  Json document = Gpt2();
  document.erase("n_embd");
  EXPECT_THAT(Parse(document), StatusIs(kInvalid, HasSubstr("config.json: n_embd is missing")));
}

}  // namespace
}  // namespace strided
