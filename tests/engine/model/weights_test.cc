#include "engine/model/weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "tests/testing/config_text.h"
#include "tests/testing/random_model.h"
#include "tests/testing/safetensors_writer.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace strided {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::StartsWith;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;
constexpr absl::StatusCode kNotFound = absl::StatusCode::kNotFound;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<std::string> CatalogNames(const ModelConfig& config) {
  std::vector<std::string> names;
  for (const TensorSpec& spec : TensorCatalog(config)) names.push_back(spec.name);
  return names;
}

// The tensors of a small model, to be spoilt and then loaded.
class Model {
 public:
  explicit Model(DType dtype = DType::kFloat32) : tensors_(RandomTensors(config_, 1, dtype)) {}

  StoredTensor& operator[](absl::string_view name) {
    for (StoredTensor& tensor : tensors_) {
      if (tensor.name == name) return tensor;
    }
    ADD_FAILURE() << "no tensor " << name;
    return tensors_.front();
  }
  void Remove(absl::string_view name) {
    std::erase_if(tensors_, [&](const StoredTensor& tensor) { return tensor.name == name; });
  }
  void Add(StoredTensor tensor) { tensors_.push_back(std::move(tensor)); }
  void Put(absl::string_view name, size_t index, float value) {
    std::memcpy((*this)[name].bytes.data() + index * sizeof(float), &value, sizeof(float));
  }

  absl::StatusOr<Weights> Load() const {
    const TemporaryDirectory directory;
    directory.Write("model.safetensors", SafetensorsFile(tensors_));
    absl::StatusOr<Weights> weights = Weights::Load(directory.path(), config_);
    if (weights.ok()) return weights;
    // The directory's name is another one each time.
    absl::string_view text = weights.status().message();
    EXPECT_TRUE(absl::ConsumePrefix(&text, directory.path())) << text;
    return absl::Status(weights.status().code(), text);
  }

  const ModelConfig& config() const { return config_; }
  const std::vector<StoredTensor>& tensors() const { return tensors_; }

 private:
  ModelConfig config_ = SmallConfig();
  std::vector<StoredTensor> tensors_;
};

TEST(TensorCatalogTest, ItNamesEveryTensorInTheOrderOfComputation) {
  EXPECT_THAT(
      CatalogNames(SmallConfig(R"({"n_layer": 1, "attention": [{"pattern": "dense"}]})")),
      ElementsAre("token_embedding.weight", "position_embedding.0.weight",
                  "position_embedding.1.weight", "start", "layers.0.attn_norm.weight",
                  "layers.0.attn_norm.bias", "layers.0.attn.q.weight", "layers.0.attn.q.bias",
                  "layers.0.attn.k.weight", "layers.0.attn.k.bias", "layers.0.attn.v.weight",
                  "layers.0.attn.v.bias", "layers.0.attn.o.weight", "layers.0.attn.o.bias",
                  "layers.0.mlp_norm.weight", "layers.0.mlp_norm.bias", "layers.0.mlp.up.weight",
                  "layers.0.mlp.up.bias", "layers.0.mlp.down.weight", "layers.0.mlp.down.bias",
                  "final_norm.weight", "final_norm.bias", "head.weight", "head.bias"));
}

TEST(TensorCatalogTest, ShapesAreOutByIn) {
  const ModelConfig config = SmallConfig(R"({"d_key": 3, "d_value": 5, "conditions":
      [{"name": "class", "values": 10}]})");
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const TensorSpec& spec : TensorCatalog(config)) shapes[spec.name] = spec.shape;
  EXPECT_THAT(shapes["token_embedding.weight"], ElementsAre(16, 8));
  EXPECT_THAT(shapes["position_embedding.1.weight"], ElementsAre(6, 8));
  EXPECT_THAT(shapes["condition.class.weight"], ElementsAre(10, 8));
  EXPECT_THAT(shapes["layers.1.attn.q.weight"], ElementsAre(6, 8));
  EXPECT_THAT(shapes["layers.1.attn.k.bias"], ElementsAre(6));
  EXPECT_THAT(shapes["layers.1.attn.v.bias"], ElementsAre(10));
  EXPECT_THAT(shapes["layers.1.attn.o.weight"], ElementsAre(8, 10));
  EXPECT_THAT(shapes["layers.1.mlp.up.weight"], ElementsAre(16, 8));
  EXPECT_THAT(shapes["layers.1.mlp.down.weight"], ElementsAre(8, 16));
}

TEST(TensorCatalogTest, ItFollowsTheConfiguration) {
  EXPECT_THAT(CatalogNames(SmallConfig(R"({"conditions": [{"name": "class", "values": 2}]})")),
              ::testing::AllOf(Contains("condition.class.weight"), Not(Contains("start"))));
  EXPECT_THAT(CatalogNames(SmallConfig(R"({"tied_head": true})")), Not(Contains("head.weight")));
  EXPECT_THAT(CatalogNames(SmallConfig(R"({"head_bias": false})")), Not(Contains("head.bias")));
  EXPECT_THAT(CatalogNames(SmallConfig(R"({"final_norm_epsilon": null})")),
              Not(Contains("final_norm.weight")));
}

TEST(TensorCatalogTest, OnlyBiasesOfAttentionAndMlpAreOptional) {
  for (const TensorSpec& spec : TensorCatalog(SmallConfig())) {
    const bool is_projection_bias =
        absl::EndsWith(spec.name, ".bias") &&
        (absl::StrContains(spec.name, ".attn.") || absl::StrContains(spec.name, ".mlp."));
    EXPECT_EQ(spec.optional, is_projection_bias) << spec.name;
  }
}

TEST(WeightsTest, EveryTensorOfTheCatalogIsThere) {
  for (const DType dtype : {DType::kFloat32, DType::kFloat16, DType::kBfloat16, DType::kInt8}) {
    const Model model(dtype);
    ASSERT_OK_AND_ASSIGN(const Weights weights, model.Load());
    int64_t parameters = 0;
    for (const TensorSpec& spec : TensorCatalog(model.config())) {
      EXPECT_EQ(weights.Get(spec.name).shape, spec.shape) << spec.name;
      parameters += weights.Get(spec.name).rows() * weights.Get(spec.name).columns();
    }
    EXPECT_EQ(weights.parameter_count(), parameters);
    EXPECT_EQ(weights.Find("layers.0.attn.q.weight.scale"), nullptr);
  }
}

TEST(WeightsTest, TensorsStayWhereTheyAreWhenTheWeightsMove) {
  RandomModel model = MakeRandomModel(SmallConfig(), 1);
  const std::byte* before = model.weights.Get("start").data.data();
  const Weights moved = std::move(model.weights);
  EXPECT_EQ(moved.Get("start").data.data(), before);
  std::vector<float> row(8);
  moved.Get("start").ReadRow(0, row);
}

TEST(WeightsTest, AMissingTensorIsNamed) {
  Model model;
  model.Remove("layers.1.mlp_norm.bias");
  EXPECT_THAT(model.Load(),
              StatusIs(kInvalid, ": layers.1.mlp_norm.bias is missing; expected [8]"));
}

TEST(WeightsTest, AMissingOptionalBiasIsNone) {
  Model model;
  model.Remove("layers.1.attn.q.bias");
  ASSERT_OK_AND_ASSIGN(const Weights weights, model.Load());
  EXPECT_EQ(weights.Find("layers.1.attn.q.bias"), nullptr);
}

TEST(WeightsTest, ASuperfluousTensorIsNamed) {
  for (const std::string name : {"layers.2.attn.q.weight", "start.scale", "lm_head.weight",
                                 "layers.0.attn.q.weight.scale", "layers.0.attn.q.weight.mask"}) {
    Model model;
    model.Add(StoreValues(name, DType::kFloat32, {2}, std::vector<float>{1, 1}));
    EXPECT_THAT(model.Load(),
                StatusIs(kInvalid, absl::StrCat(": ", name,
                                                " is F32 [2]; expected no such tensor "
                                                "in this configuration")));
  }
}

TEST(WeightsTest, AWrongShapeIsNamedWithBoth) {
  const struct {
    std::vector<int64_t> shape;
    std::string found;
  } cases[] = {{{8, 9}, "[8, 9]"}, {{4, 16}, "[4, 16]"}, {{64}, "[64]"}};
  for (const auto& c : cases) {
    Model model;
    StoredTensor& tensor = model["layers.0.attn.k.weight"];
    tensor.shape = c.shape;
    tensor.bytes.resize(static_cast<size_t>(c.shape.size() == 1 ? 64 : c.shape[0] * c.shape[1]) *
                        4);
    EXPECT_THAT(model.Load(),
                StatusIs(kInvalid, absl::StrCat(": layers.0.attn.k.weight is F32 ", c.found,
                                                "; expected F32, F16, BF16 or I8 [8, 8]")));
  }
}

TEST(WeightsTest, AVectorIsNeverInt8) {
  Model model;
  model["start"].dtype = "I8";
  model["start"].bytes.resize(8);
  EXPECT_THAT(model.Load(), StatusIs(kInvalid, ": start is I8 [8]; expected F32, F16 or BF16 [8]"));
}

TEST(WeightsTest, AValueThatIsNotFiniteIsNamedWithItsElement) {
  for (const float bad : {kInfinity, -kInfinity, std::nanf("")}) {
    Model model;
    model.Put("layers.1.mlp.up.weight", 100, bad);
    EXPECT_THAT(
        model.Load(),
        StatusIs(kInvalid, ": layers.1.mlp.up.weight is not finite at element 100 of F32 [16, 8]"));
  }
}

TEST(WeightsTest, AnInt8MatrixNeedsItsScales) {
  Model missing(DType::kInt8);
  missing.Remove("head.weight.scale");
  EXPECT_THAT(
      missing.Load(),
      StatusIs(kInvalid, ": head.weight.scale is missing; expected F32 [16] beside an I8 matrix"));
  Model half(DType::kInt8);
  half["head.weight.scale"].dtype = "F16";
  half["head.weight.scale"].bytes.resize(32);
  EXPECT_THAT(
      half.Load(),
      StatusIs(kInvalid, ": head.weight.scale is F16 [16]; expected F32 [16] beside an I8 matrix"));
  Model matrix(DType::kInt8);
  matrix["head.weight.scale"].shape = {16, 1};
  EXPECT_THAT(matrix.Load(),
              StatusIs(kInvalid,
                       ": head.weight.scale is F32 [16, 1]; expected F32 [16] beside an I8 "
                       "matrix"));
}

TEST(WeightsTest, AScaleIsAPositiveNumberThatDoesNotOverflow) {
  for (const float bad : {-1.0f, 0.0f, kInfinity, std::nanf(""), 1e38f}) {
    Model model(DType::kInt8);
    model.Put("layers.0.attn.v.weight.scale", 3, bad);
    EXPECT_THAT(model.Load(),
                StatusIs(kInvalid, absl::StrCat(": layers.0.attn.v.weight.scale is ", bad,
                                                " at element 3; expected a number above 0, at most "
                                                "2.65846e+36, or 0 where the row is all 0")));
  }
}

TEST(WeightsTest, AScaleOfZeroIsForARowOfZeros) {
  Model model(DType::kInt8);
  model["head.weight"].bytes.replace(40, 8, 8, '\0');
  model.Put("head.weight.scale", 5, 0.0f);
  ASSERT_OK_AND_ASSIGN(const Weights weights, model.Load());
  std::vector<float> row(8, 1.0f);
  weights.Get("head.weight").ReadRow(5, row);
  EXPECT_THAT(row, ElementsAre(0, 0, 0, 0, 0, 0, 0, 0));
}

TEST(WeightsTest, AFileThatIsNotSafetensorsIsNamed) {
  const TemporaryDirectory directory;
  const std::string path = directory.Write("model.safetensors", "PK\x03\x04");
  EXPECT_THAT(Weights::Load(directory.path(), SmallConfig()),
              StatusIs(kInvalid, path + ": has 4 bytes; expected at least 8"));
  directory.Write("model.safetensors", "");
  EXPECT_THAT(Weights::Load(directory.path(), SmallConfig()),
              StatusIs(kInvalid, path + ": has 0 bytes; expected at least 8"));
}

TEST(WeightsTest, ADirectoryWithoutWeightsIsNotFound) {
  const TemporaryDirectory directory;
  EXPECT_THAT(Weights::Load(directory.path(), SmallConfig()),
              StatusIs(kNotFound, directory.path() + " has neither model.safetensors nor "
                                                     "model.safetensors.index.json"));
}

TEST(WeightsTest, ADirectoryInPlaceOfTheFileIsRefused) {
  const TemporaryDirectory directory;
  directory.Write("model.safetensors/file", "");
  EXPECT_THAT(Weights::Load(directory.path(), SmallConfig()),
              StatusIs(kInvalid, directory.path() + "/model.safetensors is not a regular file"));
}

// The model in two shards, each with every second tensor.
class ShardedModel {
 public:
  ShardedModel() {
    for (size_t i = 0; i < model_.tensors().size(); ++i) {
      shards_[i % 2].push_back(model_.tensors()[i]);
      SetShard(model_.tensors()[i].name, i % 2 == 0 ? "m-1.safetensors" : "m-2.safetensors");
    }
  }

  void SetShard(absl::string_view tensor, absl::string_view shard) {
    shard_of_[std::string(tensor)] = std::string(shard);
  }

  absl::StatusOr<Weights> Load(const TemporaryDirectory& directory) const {
    directory.Write("m-1.safetensors", SafetensorsFile(shards_[0]));
    directory.Write("m-2.safetensors", SafetensorsFile(shards_[1]));
    std::string index;
    for (const auto& [tensor, shard] : shard_of_) {
      absl::StrAppend(&index, index.empty() ? "" : ",", "\"", tensor, "\":\"", shard, "\"");
    }
    directory.Write("model.safetensors.index.json",
                    absl::StrCat("{\"metadata\":{},\"weight_map\":{", index, "}}"));
    return Weights::Load(directory.path(), model_.config());
  }

  const Model& whole() const { return model_; }

 private:
  Model model_;
  std::vector<StoredTensor> shards_[2];
  std::map<std::string, std::string> shard_of_;
};

TEST(WeightsTest, ShardsReadAsTheWholeModel) {
  const TemporaryDirectory directory;
  const ShardedModel sharded;
  ASSERT_OK_AND_ASSIGN(const Weights weights, sharded.Load(directory));
  ASSERT_OK_AND_ASSIGN(const Weights whole, sharded.whole().Load());
  EXPECT_EQ(weights.fingerprint(), whole.fingerprint());
  EXPECT_EQ(weights.parameter_count(), whole.parameter_count());
}

TEST(WeightsTest, IndexAndShardsMustAgree) {
  const TemporaryDirectory directory;
  ShardedModel moved;  // "start" is in the second shard
  moved.SetShard("start", "m-1.safetensors");
  EXPECT_THAT(moved.Load(directory),
              StatusIs(kInvalid, directory.path() +
                                     "/m-2.safetensors: start is in this shard; expected it in "
                                     "m-1.safetensors"));
  ShardedModel invented;
  invented.SetShard("end", "m-1.safetensors");
  EXPECT_THAT(
      invented.Load(directory),
      StatusIs(kInvalid, directory.path() + "/m-1.safetensors: end is missing; the index places it "
                                            "here"));
}

TEST(WeightsTest, AShardThatIsNotThereIsNotFound) {
  const TemporaryDirectory directory;
  directory.Write("model.safetensors.index.json", R"({"weight_map": {"a": "gone.safetensors"}})");
  EXPECT_THAT(Weights::Load(directory.path(), SmallConfig()),
              StatusIs(kNotFound, StartsWith(directory.path() + "/gone.safetensors")));
}

TEST(WeightsTest, ABadIndexIsNamed) {
  const TemporaryDirectory directory;
  const std::string path = directory.Write(
      "model.safetensors.index.json", R"({"weight_map": {"start": "../../model.safetensors"}})");
  EXPECT_THAT(
      Weights::Load(directory.path(), SmallConfig()),
      StatusIs(kInvalid, path + ": weight_map.start is \"../../model.safetensors\"; expected "
                                "a file beside the index, *.safetensors"));
}

TEST(WeightsTest, TheFingerprintChangesWithAnyByteAndAnyDtype) {
  ASSERT_OK_AND_ASSIGN(const Weights original, Model().Load());
  EXPECT_THAT(original.fingerprint(), MatchesRegex("[0-9a-f]{32}"));
  Model changed;
  changed["head.bias"].bytes[0] ^= 1;
  ASSERT_OK_AND_ASSIGN(const Weights other, changed.Load());
  EXPECT_NE(other.fingerprint(), original.fingerprint());
  Model scaled(DType::kInt8);
  ASSERT_OK_AND_ASSIGN(const Weights int8, scaled.Load());
  scaled["head.weight.scale"].bytes[0] ^= 1;
  ASSERT_OK_AND_ASSIGN(const Weights other_scale, scaled.Load());
  EXPECT_NE(int8.fingerprint(), other_scale.fingerprint());
}

}  // namespace
}  // namespace strided
