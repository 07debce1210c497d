#include "engine/model/weights.h"

#include <cassert>
#include <cstddef>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "engine/base/sha256.h"
#include "engine/base/status_macros.h"
#include "engine/model/finite.h"
#include "engine/model/mapped_file.h"
#include "engine/model/model_files.h"

namespace strided {
namespace {

using TensorMap = std::map<std::string, Tensor, std::less<>>;

absl::Status CheckForm(const Tensor& tensor, const TensorSpec& spec) {
  const bool is_matrix = spec.shape.size() == 2;
  if (tensor.shape == spec.shape && (is_matrix || tensor.dtype != DType::kInt8)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      spec.name, " is ", Described(tensor), "; expected ",
      is_matrix ? "F32, F16, BF16 or I8 " : "F32, F16 or BF16 ", ShapeText(spec.shape)));
}

absl::Status CheckFinite(const Tensor& tensor) {
  const std::optional<int64_t> index = FirstNonFinite(tensor);
  if (!index.has_value()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(tensor.name, " is not finite at element ", *index, " of ", Described(tensor)));
}

bool IsZero(std::span<const std::byte> row) {
  for (const std::byte element : row) {
    if (element != std::byte{0}) return false;
  }
  return true;
}

// A scale of 0 would silently erase a row; no int8 times a scale may overflow.
absl::Status CheckScales(const Tensor& tensor) {
  constexpr float kMost = std::numeric_limits<float>::max() / 128;
  const size_t columns = static_cast<size_t>(tensor.columns());
  for (size_t row = 0; row < tensor.scales.size() / sizeof(float); ++row) {
    float scale = 0;
    std::memcpy(&scale, tensor.scales.data() + row * sizeof(float), sizeof(float));
    if (scale > 0 && scale <= kMost) continue;
    if (scale == 0 && IsZero(tensor.data.subspan(row * columns, columns))) continue;
    return absl::InvalidArgumentError(absl::StrCat(tensor.name, ".scale is ", scale, " at element ",
                                                   row, "; expected a number above 0, at most ",
                                                   kMost, ", or 0 where the row is all 0"));
  }
  return absl::OkStatus();
}

// The scales that lie beside the int8 matrix `name` [rows, ...].
absl::StatusOr<std::span<const std::byte>> ScalesOf(absl::string_view name, int64_t rows,
                                                    const TensorMap& stored) {
  const std::string scale_name = absl::StrCat(name, ".scale");
  const auto found = stored.find(scale_name);
  const std::vector<int64_t> shape = {rows};
  if (found != stored.end() && found->second.dtype == DType::kFloat32 &&
      found->second.shape == shape) {
    return found->second.data;
  }
  return absl::InvalidArgumentError(
      absl::StrCat(scale_name, " is ", found == stored.end() ? "missing" : Described(found->second),
                   "; expected F32 ", ShapeText(shape), " beside an I8 matrix"));
}

// The stored tensor of `spec` with its scales, checked; none where an optional one is absent.
absl::StatusOr<std::optional<Tensor>> TakeTensor(const TensorSpec& spec, const TensorMap& stored) {
  const auto found = stored.find(spec.name);
  if (found == stored.end()) {
    if (spec.optional) return std::nullopt;
    return absl::InvalidArgumentError(
        absl::StrCat(spec.name, " is missing; expected ", ShapeText(spec.shape)));
  }
  Tensor tensor = found->second;
  RETURN_IF_ERROR(CheckForm(tensor, spec));
  RETURN_IF_ERROR(CheckFinite(tensor));
  if (tensor.dtype == DType::kInt8) {
    ASSIGN_OR_RETURN(tensor.scales, ScalesOf(spec.name, tensor.rows(), stored));
    RETURN_IF_ERROR(CheckScales(tensor));
  }
  return tensor;
}

// Whether `name` holds the scales of one of `tensors`.
bool IsScales(absl::string_view name, const TensorMap& tensors) {
  if (!absl::ConsumeSuffix(&name, ".scale")) return false;
  const auto scaled = tensors.find(name);
  return scaled != tensors.end() && scaled->second.dtype == DType::kInt8;
}

// The model's tensors out of the stored ones, which must hold nothing else.
absl::StatusOr<TensorMap> TakeTensors(const ModelConfig& config, const TensorMap& stored) {
  TensorMap tensors;
  for (const TensorSpec& spec : TensorCatalog(config)) {
    ASSIGN_OR_RETURN(std::optional<Tensor> tensor, TakeTensor(spec, stored));
    if (tensor.has_value()) tensors.emplace(spec.name, *std::move(tensor));
  }
  for (const auto& [name, tensor] : stored) {
    if (tensors.contains(name) || IsScales(name, tensors)) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        name, " is ", Described(tensor), "; expected no such tensor in this configuration"));
  }
  return tensors;
}

// Over names, dtypes, shapes and bytes in the order of names, so that sharding does not count.
absl::StatusOr<std::string> Fingerprint(const TensorMap& tensors) {
  std::vector<std::string> labels;
  for (const auto& [name, tensor] : tensors) {
    labels.push_back(absl::StrCat(name, " ", Described(tensor), "\n"));
    if (tensor.column_pitch != 0) absl::StrAppend(&labels.back(), "by columns\n");
  }
  std::vector<std::span<const std::byte>> parts;
  size_t index = 0;
  for (const auto& [name, tensor] : tensors) {
    parts.push_back(std::as_bytes(std::span(labels[index++])));
    parts.push_back(tensor.data);
    parts.push_back(tensor.scales);
  }
  ASSIGN_OR_RETURN(const std::string digest, Sha256Hex(parts));
  return digest.substr(0, 32);
}

int64_t CountParameters(const TensorMap& tensors) {
  int64_t count = 0;
  for (const auto& [name, tensor] : tensors) {
    count += tensor.rows() * tensor.columns();
  }
  return count;
}

}  // namespace

Weights::Weights() = default;
Weights::Weights(Weights&&) noexcept = default;
Weights& Weights::operator=(Weights&&) noexcept = default;
Weights::~Weights() = default;

absl::StatusOr<Weights> Weights::Load(const std::string& directory, const ModelConfig& config) {
  ASSIGN_OR_RETURN(ModelFiles files, OpenModelFiles(directory));
  absl::StatusOr<Weights> weights = FromFiles(std::move(files), config);
  if (weights.ok()) return weights;
  return absl::Status(weights.status().code(),
                      absl::StrCat(directory, ": ", weights.status().message()));
}

absl::StatusOr<Weights> Weights::FromFiles(ModelFiles files, const ModelConfig& config) {
  Weights weights;
  ASSIGN_OR_RETURN(weights.tensors_, TakeTensors(config, files.tensors));
  weights.files_ = std::move(files.files);
  weights.parameter_count_ = CountParameters(weights.tensors_);
  ASSIGN_OR_RETURN(weights.fingerprint_, Fingerprint(weights.tensors_));
  return weights;
}

const Tensor& Weights::Get(absl::string_view name) const {
  const Tensor* tensor = Find(name);
  assert(tensor != nullptr && "the catalog names every tensor that a model must have");
  return *tensor;
}

const Tensor* Weights::Find(absl::string_view name) const {
  const auto found = tensors_.find(name);
  return found == tensors_.end() ? nullptr : &found->second;
}

}  // namespace strided
