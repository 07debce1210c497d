// A model's weights: memory-mapped safetensors files, checked against the configuration.
//
// An int8 matrix `x.weight` [out, in] comes with a float32 vector `x.weight.scale` [out]; the two
// are one Tensor here. Nothing is converted: what an executor needs in another form it makes
// itself.

#ifndef STRIDED_ENGINE_MODEL_WEIGHTS_H_
#define STRIDED_ENGINE_MODEL_WEIGHTS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/model/config.h"
#include "engine/model/tensor.h"

namespace strided {

class MappedFile;
struct ModelFiles;

// One tensor that a configuration asks for. A matrix [out, in] maps a vector [in] to [out]; a table
// (embeddings, positions, conditions) is a matrix whose rows are looked up. Matrices may be
// float32, float16, bfloat16 or int8; vectors are never int8.
struct TensorSpec {
  std::string name;            // e.g. "layers.3.attn.q.weight"
  std::vector<int64_t> shape;  // matrices [out, in]
  bool optional = false;       // a bias of attention or mlp; absent means zero
};

// Every tensor of a model of this configuration, in the order of computation.
std::vector<TensorSpec> TensorCatalog(const ModelConfig& config);

// Immutable and safe to share between threads. Tensors point into the mapping and live as long as
// the Weights. Move only.
class Weights {
 public:
  // Reads `model.safetensors`, or the shards of `model.safetensors.index.json`, in `directory`.
  // Every length in a file is checked against the file before it is used. InvalidArgument with the
  // tensor, what was found and what was expected: a missing, superfluous or misshapen tensor, a
  // dtype that does not fit, a value that is not finite; NotFound where there is no such file.
  static absl::StatusOr<Weights> Load(const std::string& directory, const ModelConfig& config);

  // The same of files that are open, e.g. foreign ones whose tensors have been named as the catalog
  // names them. A text starts with the tensor, by Tensor::name.
  static absl::StatusOr<Weights> FromFiles(ModelFiles files, const ModelConfig& config);

  Weights(Weights&&) noexcept;
  Weights& operator=(Weights&&) noexcept;
  ~Weights();

  // Requires that TensorCatalog(config) names `name`, and not as optional.
  const Tensor& Get(absl::string_view name) const;
  // As Get; null where the model has no such tensor.
  const Tensor* Find(absl::string_view name) const;

  int64_t parameter_count() const { return parameter_count_; }
  // 32 hexadecimal digits of SHA-256 over the tensors' names, dtypes, shapes and bytes.
  const std::string& fingerprint() const { return fingerprint_; }

 private:
  Weights();
  std::vector<MappedFile> files_;
  std::map<std::string, Tensor, std::less<>> tensors_;
  int64_t parameter_count_ = 0;
  std::string fingerprint_;
};

}  // namespace strided

#endif  // STRIDED_ENGINE_MODEL_WEIGHTS_H_
