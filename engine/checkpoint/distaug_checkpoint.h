// Reads what OpenAI published beside "Distribution Augmentation for Generative Modeling" (Jun et
// al. 2020): Sparse Transformers for images of bytes, each a .npz of all TensorFlow variables of
// its run.
//
// Input t is E[x(t-1)] + P(t-1), or at t = 0 the start vector: `sos`, or the sum of a row of each
// `sos_*` table. Norms add 1e-5, the final one 1e-6 (train.py, norm and model); matrices are
// [in, out]; the head has no bias; positions are unravelled over rows, columns and channels.

#ifndef STRIDED_ENGINE_CHECKPOINT_DISTAUG_CHECKPOINT_H_
#define STRIDED_ENGINE_CHECKPOINT_DISTAUG_CHECKPOINT_H_

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/checkpoint/distaug_layout.h"
#include "engine/checkpoint/foreign_checkpoint.h"
#include "engine/checkpoint/npz_file.h"

namespace strided {

struct DistaugOptions {
  // The layout and the sizes that the file must have.
  std::optional<DistaugPreset> preset = std::nullopt;
  // Without a preset: the layout; sizes are then those of the file.
  std::optional<DistaugLayout> layout = std::nullopt;
  // The weights as the last step left them; else their moving averages, which evaluation and
  // sampling use.
  bool raw = false;
};

// Immutable, so safe to share between threads. Move only.
class DistaugCheckpoint final : public ForeignCheckpoint {
 public:
  // Reads names and headers. InvalidArgument, with the file and what is wrong, where
  // - there is neither preset nor layout (the text then says which preset has the file's sizes);
  // - a tensor of the network is missing, is not of float, or has not the shape that the preset,
  //   or else the file's other tensors, ask for;
  // - there is a tensor under "model/" that is neither the network's nor an average or optimizer's
  //   slot of one;
  // - the sizes are none that config.json takes.
  static absl::StatusOr<DistaugCheckpoint> Open(NpzFile file, const DistaugOptions& options);

  const std::string& config_json() const override { return config_json_; }
  const ModelConfig& config() const override { return config_; }
  bool Has(const TensorSpec& spec) const override;
  absl::StatusOr<std::vector<float>> Read(const TensorSpec& spec) const override;

 private:
  // Names of the file's arrays by their normalised names.
  using Arrays = std::map<std::string, std::string, std::less<>>;

  DistaugCheckpoint(NpzFile file, Arrays arrays, bool raw)
      : file_(std::move(file)), arrays_(std::move(arrays)), raw_(raw) {}

  static absl::StatusOr<Arrays> NormalisedNames(const NpzFile& file);
  // The normalised name under which the tensor `name` is read: its average's unless raw.
  std::string ChosenName(absl::string_view name) const;
  bool HasChosen(absl::string_view name) const { return arrays_.contains(ChosenName(name)); }
  // The shape of the tensor `name`, which must have `dimensions`.
  absl::StatusOr<std::vector<int64_t>> Shape(absl::string_view name, size_t dimensions) const;

  // The sizes that the file's tensors show.
  absl::StatusOr<DistaugSizes> InferSizes() const;
  absl::StatusOr<int64_t> CountLayers() const;
  absl::StatusOr<std::vector<Condition>> FindConditions() const;
  absl::Status Configure(const DistaugLayout& layout, const DistaugSizes& sizes);
  // That the tensors are those of the configuration; `source` says where their sizes come from.
  absl::Status CheckTensors(absl::string_view source) const;
  absl::Status RefuseOthers() const;
  absl::Status Invalid(absl::string_view text) const;

  NpzFile file_;
  Arrays arrays_;
  bool raw_;
  std::string config_json_;
  ModelConfig config_;
};

}  // namespace strided

#endif  // STRIDED_ENGINE_CHECKPOINT_DISTAUG_CHECKPOINT_H_
