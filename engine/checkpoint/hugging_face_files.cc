#include "engine/checkpoint/hugging_face_files.h"

#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "engine/base/status_macros.h"
#include "engine/checkpoint/hugging_face_layout.h"
#include "engine/model/model_files.h"

namespace strided {
namespace {

using TensorMap = std::map<std::string, Tensor, std::less<>>;

absl::StatusOr<ModelFiles> OpenFiles(const std::string& directory,
                                     const HuggingFaceConfig& config) {
  absl::StatusOr<ModelFiles> files =
      OpenModelFiles(directory, [&](absl::string_view name) { return IsSpare(name, config); });
  if (!absl::IsNotFound(files.status())) return files;
  for (const char* const pickle : {"pytorch_model.bin", "pytorch_model.bin.index.json"}) {
    std::error_code unreadable;
    if (!std::filesystem::exists(absl::StrCat(directory, "/", pickle), unreadable)) continue;
    return absl::NotFoundError(
        absl::StrCat(directory, " has ", pickle,
                     " and no model.safetensors; pickles are not read: turn it into ",
                     "safetensors with engine/checkpoint/torch_to_safetensors.py"));
  }
  return files;
}

// The stored tensors without the family's prefix.
absl::StatusOr<TensorMap> WithoutPrefix(const TensorMap& stored, HuggingFaceFamily family) {
  TensorMap bare;
  for (const auto& [name, tensor] : stored) {
    const absl::string_view rest = absl::StripPrefix(name, PrefixOf(family));
    if (bare.emplace(rest, tensor).second) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(rest, " is there with and without ", PrefixOf(family), "; expected it once"));
  }
  return bare;
}

// The part of `stored` that `spec` is; `place` has its shape.
Tensor View(const Tensor& stored, const TensorPlace& place, const std::vector<int64_t>& shape) {
  const auto bytes = [&](int64_t elements) {
    return static_cast<size_t>(elements * DTypeSize(stored.dtype));
  };
  Tensor view = stored;
  view.shape = shape;
  if (place.by_columns) {
    view.column_pitch = place.shape[1];
    const int64_t last = (view.columns() - 1) * view.column_pitch + view.rows();
    view.data = stored.data.subspan(bytes(place.first_row), bytes(last));
    return view;
  }
  const int64_t width = place.shape.size() == 2 ? place.shape[1] : 1;
  view.data = stored.data.subspan(bytes(place.first_row * width),
                                  bytes(shape.size() == 2 ? shape[0] * shape[1] : shape[0]));
  return view;
}

// The tensor `spec` out of `bare`; none where one that may be absent is.
absl::StatusOr<std::optional<Tensor>> Take(const TensorSpec& spec, const TensorPlace& place,
                                           const TensorMap& bare) {
  const auto found = bare.find(place.name);
  if (found == bare.end()) {
    if (!place.required) return std::nullopt;
    return absl::InvalidArgumentError(
        absl::StrCat(place.name, " is missing; expected ", ShapeText(place.shape)));
  }
  const Tensor& stored = found->second;
  if (stored.shape != place.shape || stored.dtype == DType::kInt8) {
    return absl::InvalidArgumentError(absl::StrCat(stored.name, " is ", Described(stored),
                                                   "; expected F32, F16 or BF16 ",
                                                   ShapeText(place.shape)));
  }
  return View(stored, place, spec.shape);
}

// Every tensor of the model by our name; `stored` must hold nothing else.
absl::StatusOr<TensorMap> Renamed(const TensorMap& stored, const HuggingFaceConfig& config) {
  ASSIGN_OR_RETURN(const TensorMap bare, WithoutPrefix(stored, config.family));
  TensorMap ours;
  std::set<std::string> taken;
  for (const TensorSpec& spec : TensorCatalog(config.config)) {
    const TensorPlace place = PlaceOf(spec, config);
    ASSIGN_OR_RETURN(std::optional<Tensor> tensor, Take(spec, place, bare));
    if (tensor.has_value()) ours.emplace(spec.name, *std::move(tensor));
    taken.insert(place.name);
  }
  for (const auto& [name, tensor] : bare) {
    if (taken.contains(name)) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        tensor.name, " is ", Described(tensor), "; expected no such tensor in this configuration"));
  }
  return ours;
}

absl::StatusOr<Weights> Load(ModelFiles files, const HuggingFaceConfig& config) {
  ASSIGN_OR_RETURN(files.tensors, Renamed(files.tensors, config));
  return Weights::FromFiles(std::move(files), config.config);
}

}  // namespace

absl::StatusOr<Weights> LoadHuggingFaceWeights(const std::string& directory,
                                               const HuggingFaceConfig& config) {
  ASSIGN_OR_RETURN(ModelFiles files, OpenFiles(directory, config));
  absl::StatusOr<Weights> weights = Load(std::move(files), config);
  if (weights.ok()) return weights;
  return absl::Status(weights.status().code(),
                      absl::StrCat(directory, ": ", weights.status().message()));
}

}  // namespace strided
