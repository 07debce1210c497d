#include "engine/checkpoint/distaug_checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/engine/checkpoint/distaug_file.h"
#include "tests/testing/status_matchers.h"

namespace strided {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr absl::StatusCode kInvalid = absl::StatusCode::kInvalidArgument;

DistaugOptions SmallOptions() {
  DistaugOptions options;
  options.layout = SmallDistaugLayout();
  return options;
}

// A checkpoint beside the bytes that it points into.
struct Opened {
  std::string bytes;
  DistaugCheckpoint checkpoint;
};

absl::StatusOr<Opened> Open(const DistaugShapes& shapes,
                            const DistaugOptions& options = SmallOptions()) {
  std::string bytes = DistaugFile(shapes);
  ASSIGN_OR_RETURN(NpzFile file, NpzFile::Parse(std::as_bytes(std::span(bytes)), "run.npz"));
  ASSIGN_OR_RETURN(DistaugCheckpoint checkpoint, DistaugCheckpoint::Open(std::move(file), options));
  return Opened{std::move(bytes), std::move(checkpoint)};
}

// The small file with one change.
DistaugShapes With(const std::string& name, std::vector<int64_t> shape) {
  DistaugShapes shapes = SmallDistaugShapes();
  shapes[name] = std::move(shape);
  return shapes;
}
DistaugShapes Without(const std::string& name) {
  DistaugShapes shapes = SmallDistaugShapes();
  EXPECT_EQ(shapes.erase(name), 1U);
  return shapes;
}

TensorSpec SpecOf(const ModelConfig& config, absl::string_view name) {
  for (TensorSpec& spec : TensorCatalog(config)) {
    if (spec.name == name) return std::move(spec);
  }
  ADD_FAILURE() << name << " is not in the catalog";
  return {};
}

TEST(DistaugCheckpointTest, ShapesGiveTheConfiguration) {
  ASSERT_OK_AND_ASSIGN(const Opened opened, Open(SmallDistaugShapes()));
  const ModelConfig& config = opened.checkpoint.config();
  EXPECT_EQ(config.modality, Modality::kImage);
  EXPECT_EQ(config.image->height, 2);
  EXPECT_EQ(config.image->channels, 3);
  EXPECT_EQ(config.vocab_size, 3);
  EXPECT_EQ(config.context_length, 12);
  EXPECT_EQ(config.n_layer, 2);
  EXPECT_EQ(config.d_model, 4);
  EXPECT_EQ(config.d_ff, 8);
  EXPECT_EQ(config.d_key, 1);
  EXPECT_EQ(config.d_value, 2);
  EXPECT_EQ(config.norm_epsilon, 1e-5);
  EXPECT_EQ(config.final_norm_epsilon, 1e-6);
  EXPECT_THAT(config.position_axes, ElementsAre(2, 2, 3));
  EXPECT_EQ(config.attention[0][0].kind(), PatternKind::kStrided);
  EXPECT_EQ(config.attention[0][0].spec().stride, 6);
  EXPECT_EQ(config.attention[1][1].kind(), PatternKind::kLocal);
  EXPECT_EQ(config.attention[1][1].spec().window, 6);
  EXPECT_THAT(config.conditions, IsEmpty());
}

TEST(DistaugCheckpointTest, MatricesAreTransposedAndTablesAreNot) {
  ASSERT_OK_AND_ASSIGN(const Opened opened, Open(SmallDistaugShapes()));
  const ModelConfig& config = opened.checkpoint.config();
  const auto value = [](const std::string& name, int64_t index) {
    return DistaugValue("model/" + name + "/Ema/ema:0", index);
  };
  ASSERT_OK_AND_ASSIGN(const std::vector<float> query,
                       opened.checkpoint.Read(SpecOf(config, "layers.1.attn.q.weight")));
  for (int64_t out = 0; out < 2; ++out) {
    for (int64_t in = 0; in < 4; ++in) {
      EXPECT_EQ(query[static_cast<size_t>(out * 4 + in)], value("h1/q_proj/w", in * 2 + out));
    }
  }
  ASSERT_OK_AND_ASSIGN(const std::vector<float> tokens,
                       opened.checkpoint.Read(SpecOf(config, "token_embedding.weight")));
  for (int64_t i = 0; i < 12; ++i) EXPECT_EQ(tokens[static_cast<size_t>(i)], value("we", i));
  ASSERT_OK_AND_ASSIGN(const std::vector<float> start,
                       opened.checkpoint.Read(SpecOf(config, "start")));
  for (int64_t i = 0; i < 4; ++i) {
    EXPECT_EQ(start[static_cast<size_t>(i)], value("sos_token/sos", i));
  }
}

TEST(DistaugCheckpointTest, RawTakesTheLastStepsWeights) {
  DistaugShapes shapes;
  for (const auto& [name, shape] : SmallDistaugShapes()) {
    std::string raw = name;
    const size_t average = raw.find("/Ema/ema");
    if (average != std::string::npos) shapes[raw.erase(average, 8)] = shape;
  }
  DistaugOptions options = SmallOptions();
  options.raw = true;
  ASSERT_OK_AND_ASSIGN(const Opened opened, Open(shapes, options));
  ASSERT_OK_AND_ASSIGN(
      const std::vector<float> gain,
      opened.checkpoint.Read(SpecOf(opened.checkpoint.config(), "final_norm.weight")));
  EXPECT_EQ(gain[0], DistaugValue("model/final_norm/g:0", 0));
  EXPECT_THAT(
      Open(shapes).status(),
      StatusIs(kInvalid, HasSubstr("model/we/Ema/ema is missing; expected a moving average, "
                                   "and the file has only the other of these two")));
}

TEST(DistaugCheckpointTest, StartTablesAreConditionsInTheRunsOrder) {
  DistaugShapes shapes = Without("model/sos_token/sos/Ema/ema:0");
  for (const char* slot : {":0", "/Adam:0", "/Adam_1:0"}) {
    shapes.erase(std::string("model/sos_token/sos") + slot);
  }
  shapes["model/sos_token/sos_tr/Ema/ema:0"] = {2, 4};
  shapes["model/sos_token/sos_rot/Ema/ema:0"] = {4, 4};
  ASSERT_OK_AND_ASSIGN(const Opened opened, Open(shapes));
  const std::vector<Condition>& conditions = opened.checkpoint.config().conditions;
  ASSERT_EQ(conditions.size(), 2U);
  EXPECT_EQ(conditions[0].name, "rotation");
  EXPECT_EQ(conditions[0].values, 4);
  EXPECT_EQ(conditions[1].name, "transposition");
  const TensorSpec table = SpecOf(opened.checkpoint.config(), "condition.rotation.weight");
  ASSERT_OK_AND_ASSIGN(const std::vector<float> rows, opened.checkpoint.Read(table));
  EXPECT_EQ(rows[5], DistaugValue("model/sos_token/sos_rot/Ema/ema:0", 5));
}

TEST(DistaugCheckpointTest, NamesMayLackTheirSuffixAndRepeatSlashes) {
  DistaugShapes shapes = Without("model/we/Ema/ema:0");
  shapes["model//we/Ema/ema"] = {3, 4};
  EXPECT_OK(Open(shapes).status());
  shapes["model/we/Ema/ema:0"] = {3, 4};
  EXPECT_THAT(Open(shapes).status(),
              StatusIs(kInvalid, HasSubstr("run.npz: model/we/Ema/ema is there twice")));
}

TEST(DistaugCheckpointTest, EveryTensorOfTheNetworkMustBeThere) {
  for (const auto& [name, shape] : SmallDistaugShapes()) {
    if (name.find("/Ema/") == std::string::npos) continue;
    EXPECT_THAT(Open(Without(name)).status(),
                StatusIs(kInvalid, AllOf(HasSubstr("run.npz: "), HasSubstr("missing"),
                                         HasSubstr(name.substr(0, name.size() - 2)))))
        << name;
  }
}

TEST(DistaugCheckpointTest, AMisshapenTensorIsNamed) {
  const std::vector<std::pair<std::string, std::vector<int64_t>>> cases = {
      {"model/h1/q_proj/w", {2, 4}},      {"model/h1/post_proj/w", {4, 5}},
      {"model/h0/mlp_proj2/w", {4, 8}},   {"model/h1/mlp/g", {5}},
      {"model/pos_emb_1", {2, 5}},        {"model/gen_logits/logits_proj", {3, 4}},
      {"model/sos_token/sos", {1, 1, 5}}, {"model/final_norm/b", {3}}};
  for (const auto& [name, shape] : cases) {
    EXPECT_THAT(Open(With(name + "/Ema/ema:0", shape)).status(),
                StatusIs(kInvalid, AllOf(HasSubstr(name + "/Ema/ema has shape ["),
                                         HasSubstr("as the rest of the file has it"))))
        << name;
  }
  EXPECT_THAT(Open(With("model/sos_token/sos/Ema/ema:0", {4})).status(),
              StatusIs(kInvalid, HasSubstr("has shape [4]; expected 3 dimensions")));
  EXPECT_THAT(Open(With("model/we/Ema/ema:0", {12})).status(),
              StatusIs(kInvalid, HasSubstr("has shape [12]; expected 2 dimensions")));
}

TEST(DistaugCheckpointTest, ATensorThatTheNetworkDoesNotHaveIsRefused) {
  for (const std::string name :
       {"model/lookahead_embedding/pos_emb_0", "model/pos_emb_3", "model/h0/extra/w",
        "model/sos_token/sos_new", "model/h01/mlp/g", "model/head/b"}) {
    EXPECT_THAT(Open(With(name + "/Ema/ema:0", {4})).status(), StatusIs(kInvalid, HasSubstr(name)))
        << name;
  }
  EXPECT_THAT(Open(With("model/sos_token/sos_rot/Ema/ema:0", {4, 4})).status(),
              StatusIs(kInvalid, HasSubstr("model/sos_token/sos is not of this network")));
}

TEST(DistaugCheckpointTest, SlotsAndCountersAreNotLookedAt) {
  DistaugShapes shapes = With("some_counter:0", {1});
  shapes["model/we/AdafactorCV:0"] = {7};
  EXPECT_OK(Open(shapes).status());
}

TEST(DistaugCheckpointTest, HeadsMustShareTheWidths) {
  DistaugOptions options = SmallOptions();
  options.layout->n_head = 4;
  EXPECT_THAT(Open(SmallDistaugShapes(), options).status(),
              StatusIs(kInvalid,
                       "run.npz: 4 heads do not share keys of 2 and values of 4 numbers; "
                       "expected a divisor of both"));
}

TEST(DistaugCheckpointTest, SizesBeyondTheConfigurationsAreRefused) {
  EXPECT_THAT(Open(With("model/h5000/mlp/g/Ema/ema:0", {4})).status(),
              StatusIs(kInvalid, HasSubstr("n_layer is 5001; expected")));
}

TEST(DistaugCheckpointTest, APresetSaysWhatIsExpected) {
  DistaugOptions options;
  ASSERT_OK_AND_ASSIGN(options.preset, DistaugPresetFromName("c10-150m"));
  EXPECT_THAT(Open(SmallDistaugShapes(), options).status(),
              StatusIs(kInvalid,
                       "run.npz: model/we/Ema/ema has shape [3, 4]; expected [256, 512], "
                       "as c10-150m has it"));
}

TEST(DistaugCheckpointTest, WithoutALayoutItIsAskedFor) {
  EXPECT_THAT(Open(SmallDistaugShapes(), {}).status(),
              StatusIs(kInvalid,
                       "run.npz: does not say which heads, schedule and stride it has; "
                       "expected a preset, or these three"));
}

TEST(DistaugLayoutTest, PresetsAreThePublishedRuns) {
  ASSERT_OK_AND_ASSIGN(const DistaugPreset small, DistaugPresetFromName("c10-15m"));
  EXPECT_EQ(small.sizes.n_layer, 32);
  EXPECT_EQ(small.sizes.key_width / small.layout.n_head, 64);
  EXPECT_EQ(small.sizes.value_width / small.layout.n_head, 128);
  ASSERT_OK_AND_ASSIGN(const DistaugPreset wide, DistaugPresetFromName("c10-150m"));
  EXPECT_EQ(wide.sizes.key_width / wide.layout.n_head, 32);
  EXPECT_EQ(wide.sizes.d_ff, 2048);
  EXPECT_EQ(wide.layout.schedule[1], PatternKind::kStrided);
  EXPECT_THAT(DistaugPresetFromName("c10").status(),
              StatusIs(kInvalid, "preset is \"c10\"; expected c10-15m, c10-58m, c10-150m"));
}

TEST(DistaugLayoutTest, AScheduleHasThreePatterns) {
  EXPECT_THAT(ParseDistaugSchedule("dense,local"),
              IsOkAndHolds(ElementsAre(PatternKind::kDense, PatternKind::kLocal)));
  for (const char* wrong : {"", "local,", "fixed", "local, strided"}) {
    EXPECT_THAT(ParseDistaugSchedule(wrong).status(),
                StatusIs(kInvalid, HasSubstr("expected dense, local or strided")))
        << wrong;
  }
}

}  // namespace
}  // namespace strided
