// What is wrong with a Hugging Face directory is said in its own names, before memory is asked for.

#include "engine/checkpoint/hugging_face_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/checkpoint/hugging_face_layout.h"
#include "tests/testing/safetensors_writer.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace strided {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

HuggingFaceConfig SmallGpt2() {
  absl::StatusOr<HuggingFaceConfig> config = ParseHuggingFaceConfig(
      R"({"model_type": "gpt2", "n_embd": 2, "n_layer": 1, "n_head": 1, "n_positions": 3,
          "n_inner": 3, "vocab_size": 4})",
      "config.json");
  EXPECT_OK(config);
  return *std::move(config);
}

// The tensors of SmallGpt2, each element its own index; those that are three in one, once.
std::vector<StoredTensor> Tensors(const HuggingFaceConfig& config, absl::string_view prefix = "") {
  std::vector<StoredTensor> tensors;
  for (const TensorSpec& spec : TensorCatalog(config.config)) {
    const TensorPlace place = PlaceOf(spec, config);
    const std::string name = absl::StrCat(prefix, place.name);
    if (!tensors.empty() && tensors.back().name == name) continue;
    if (absl::StrContains(name, "c_attn") && place.first_row != 0) continue;
    int64_t count = 1;
    for (const int64_t dimension : place.shape) count *= dimension;
    std::vector<float> values;
    for (int64_t i = 0; i < count; ++i) values.push_back(static_cast<float>(i));
    tensors.push_back(StoreValues(name, DType::kFloat32, place.shape, values));
  }
  return tensors;
}

absl::StatusOr<Weights> Load(const std::vector<StoredTensor>& tensors) {
  const TemporaryDirectory directory;
  directory.Write("model.safetensors", SafetensorsFile(tensors));
  return LoadHuggingFaceWeights(directory.path(), SmallGpt2());
}

StoredTensor* Named(std::vector<StoredTensor>& tensors, absl::string_view name) {
  for (StoredTensor& tensor : tensors) {
    if (tensor.name == name) return &tensor;
  }
  ADD_FAILURE() << name;
  return nullptr;
}

std::vector<float> Row(const Tensor& tensor, int64_t row) {
  std::vector<float> values(static_cast<size_t>(tensor.columns()));
  tensor.ReadRow(row, values);
  return values;
}

TEST(HuggingFaceFilesTest, AFusedTransposedMatrixIsThreeOfOurs) {
  ASSERT_OK_AND_ASSIGN(const Weights weights, Load(Tensors(SmallGpt2())));
  // c_attn.weight is [2, 6]: 0 1 2 3 4 5, 6 7 8 9 10 11.
  EXPECT_THAT(Row(weights.Get("layers.0.attn.q.weight"), 1), ElementsAre(1, 7));
  EXPECT_THAT(Row(weights.Get("layers.0.attn.k.weight"), 0), ElementsAre(2, 8));
  EXPECT_THAT(Row(weights.Get("layers.0.attn.v.weight"), 1), ElementsAre(5, 11));
  EXPECT_THAT(Row(weights.Get("layers.0.attn.v.bias"), 0), ElementsAre(4, 5));
  EXPECT_THAT(Row(weights.Get("layers.0.mlp.up.weight"), 2), ElementsAre(2, 5));
  EXPECT_THAT(Row(weights.Get("token_embedding.weight"), 3), ElementsAre(6, 7));
  EXPECT_EQ(weights.parameter_count(), 67);
}

TEST(HuggingFaceFilesTest, NamesMayHaveTheHeadsPrefix) {
  EXPECT_OK(Load(Tensors(SmallGpt2(), "transformer.")));
  std::vector<StoredTensor> both = Tensors(SmallGpt2());
  both.push_back(both.front());
  both.back().name = "transformer.wte.weight";
  EXPECT_THAT(Load(both), StatusIs(kInvalid, HasSubstr("wte.weight is there with and without")));
}

TEST(HuggingFaceFilesTest, MasksAndATiedHeadArePassedOver) {
  std::vector<StoredTensor> tensors = Tensors(SmallGpt2());
  tensors.push_back({"h.0.attn.bias", "BOOL", {1, 1, 3, 3}, std::string(9, '\1')});
  tensors.push_back({"h.0.attn.masked_bias", "F32", {}, std::string(4, '\0')});
  tensors.push_back(*Named(tensors, "wte.weight"));
  tensors.back().name = "lm_head.weight";
  EXPECT_OK(Load(tensors));
}

TEST(HuggingFaceFilesTest, WhatIsMissingOrTooMuchIsNamed) {
  std::vector<StoredTensor> tensors = Tensors(SmallGpt2());
  Named(tensors, "h.0.mlp.c_fc.bias")->name = "h.0.mlp.c_fc.bios";
  EXPECT_THAT(Load(tensors), StatusIs(kInvalid, HasSubstr("h.0.mlp.c_fc.bias is missing")));
  tensors = Tensors(SmallGpt2());
  tensors.push_back(*Named(tensors, "wte.weight"));
  tensors.back().name = "score.weight";
  EXPECT_THAT(Load(tensors),
              StatusIs(kInvalid, HasSubstr("score.weight is F32 [4, 2]; expected no")));
}

TEST(HuggingFaceFilesTest, AWrongShapeOrDtypeSaysWhatIsExpected) {
  std::vector<StoredTensor> tensors = Tensors(SmallGpt2());
  Named(tensors, "h.0.attn.c_attn.weight")->shape = {6, 2};
  EXPECT_THAT(
      Load(tensors),
      StatusIs(kInvalid, HasSubstr("h.0.attn.c_attn.weight is F32 [6, 2]; expected F32, F16 "
                                   "or BF16 [2, 6]")));
  tensors = Tensors(SmallGpt2());
  StoredTensor* const table = Named(tensors, "wte.weight");
  table->dtype = "I8";
  table->bytes.resize(8);
  EXPECT_THAT(Load(tensors),
              StatusIs(kInvalid, HasSubstr("wte.weight is I8 [4, 2]; expected F32")));
  table->dtype = "I64";
  table->bytes.resize(64);
  EXPECT_THAT(Load(tensors), StatusIs(kInvalid, HasSubstr("wte.weight.dtype is \"I64\"")));
}

TEST(HuggingFaceFilesTest, AValueThatIsNotFiniteIsFoundInItsPart) {
  std::vector<StoredTensor> tensors = Tensors(SmallGpt2());
  std::vector<float> values(12, 1.0f);
  values[9] = std::numeric_limits<float>::infinity();  // row 1 of c_attn: k's second output
  *Named(tensors, "h.0.attn.c_attn.weight") =
      StoreValues("h.0.attn.c_attn.weight", DType::kFloat32, {2, 6}, values);
  EXPECT_THAT(Load(tensors),
              StatusIs(kInvalid, HasSubstr("h.0.attn.c_attn.weight is not finite at element 3")));
}

TEST(HuggingFaceFilesTest, ATruncatedFileIsRefused) {
  const std::string whole = SafetensorsFile(Tensors(SmallGpt2()));
  const TemporaryDirectory directory;
  for (const size_t length : {size_t{0}, size_t{7}, whole.size() / 2, whole.size() - 1}) {
    directory.Write("model.safetensors", whole.substr(0, length));
    EXPECT_THAT(LoadHuggingFaceWeights(directory.path(), SmallGpt2()),
                StatusIs(kInvalid, HasSubstr("model.safetensors")))
        << length;
  }
}

TEST(HuggingFaceFilesTest, APickleAloneIsNotOpenedButExplained) {
  const TemporaryDirectory directory;
  directory.Write("pytorch_model.bin", "PK");
  EXPECT_THAT(LoadHuggingFaceWeights(directory.path(), SmallGpt2()),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("torch_to_safetensors.py")));
}

}  // namespace
}  // namespace strided
