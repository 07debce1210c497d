#include "engine/checkpoint/converter.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/checkpoint/output_file.h"
#include "engine/checkpoint/safetensors_writer.h"
#include "engine/checkpoint/staged_directory.h"
#include "engine/model/config.h"
#include "engine/model/weights.h"

namespace strided {
namespace {

// The tensors that the source has, in the catalog's order.
std::vector<TensorSpec> SpecsOf(const ForeignCheckpoint& source) {
  std::vector<TensorSpec> specs;
  for (TensorSpec& spec : TensorCatalog(source.config())) {
    if (source.Has(spec)) specs.push_back(std::move(spec));
  }
  return specs;
}

absl::Status WriteWeights(const ForeignCheckpoint& source, const std::string& path,
                          const ConversionOptions& options, const ConversionProgress& progress) {
  const std::vector<TensorSpec> specs = SpecsOf(source);
  std::vector<PlannedTensor> planned;
  int64_t total = 0;
  for (const TensorSpec& spec : specs) {
    const bool is_matrix = spec.shape.size() == 2;
    planned.push_back({.name = spec.name,
                       .dtype = is_matrix ? options.matrix_dtype : DType::kFloat32,
                       .shape = spec.shape});
    total += PlannedBytes(planned.back());
  }
  ASSIGN_OR_RETURN(SafetensorsWriter writer, SafetensorsWriter::Create(path, planned));
  int64_t done = 0;
  for (size_t i = 0; i < specs.size(); ++i) {
    RETURN_IF_ERROR(progress(done, total));
    ASSIGN_OR_RETURN(const std::vector<float> values, source.Read(specs[i]));
    RETURN_IF_ERROR(writer.Write(values));
    done += PlannedBytes(planned[i]);
  }
  RETURN_IF_ERROR(progress(done, total));
  return writer.Finish();
}

int64_t BytesOf(const Weights& weights, const ModelConfig& config) {
  int64_t bytes = 0;
  for (const TensorSpec& spec : TensorCatalog(config)) {
    const Tensor* tensor = weights.Find(spec.name);
    if (tensor != nullptr) bytes += static_cast<int64_t>(tensor->data.size());
  }
  return bytes;
}

// Loads `directory` as the server will.
absl::StatusOr<ConvertedModel> LoadAgain(const std::string& directory) {
  ASSIGN_OR_RETURN(const ModelConfig config,
                   ModelConfig::Load(absl::StrCat(directory, "/config.json")));
  ASSIGN_OR_RETURN(const Weights weights, Weights::Load(directory, config));
  return ConvertedModel{.parameters = weights.parameter_count(),
                        .bytes = BytesOf(weights, config),
                        .fingerprint = weights.fingerprint()};
}

}  // namespace

absl::StatusOr<ConvertedModel> ConvertCheckpoint(const ForeignCheckpoint& source,
                                                 const std::string& directory,
                                                 const ConversionOptions& options,
                                                 const ConversionProgress& progress) {
  ASSIGN_OR_RETURN(StagedDirectory staged, StagedDirectory::Create(directory));
  RETURN_IF_ERROR(WriteNewFile(absl::StrCat(staged.path(), "/config.json"), source.config_json()));
  RETURN_IF_ERROR(
      WriteWeights(source, absl::StrCat(staged.path(), "/model.safetensors"), options, progress));
  absl::StatusOr<ConvertedModel> model = LoadAgain(staged.path());
  if (!model.ok()) {
    return absl::InternalError(
        absl::StrCat("what was written does not load: ", model.status().message()));
  }
  RETURN_IF_ERROR(staged.Commit());
  return model;
}

}  // namespace strided
