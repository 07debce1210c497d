// A trained model in somebody else's files, told in our terms: what every reader gives the
// converter. To read another kind of files, derive a class from this and name it in
// checkpoint_reader.cc.

#ifndef STRIDED_ENGINE_CHECKPOINT_FOREIGN_CHECKPOINT_H_
#define STRIDED_ENGINE_CHECKPOINT_FOREIGN_CHECKPOINT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/model/config.h"
#include "engine/model/weights.h"

namespace strided {

// Made by a reader that has checked names, dtypes and shapes of all that the model needs; what is
// left to go wrong is in the tensors' bytes.
class ForeignCheckpoint {
 public:
  virtual ~ForeignCheckpoint() = default;

  // The text of the model's config.json, and what it says.
  virtual const std::string& config_json() const = 0;
  virtual const ModelConfig& config() const = 0;

  // Whether the files have the tensor `spec` of TensorCatalog(config()). True for every one that is
  // not optional.
  virtual bool Has(const TensorSpec& spec) const = 0;

  // The values of the tensor `spec` of TensorCatalog(config()), row-major in spec.shape. Requires
  // Has(spec). InvalidArgument, with the file and its own name of the tensor, where its bytes
  // are damaged or a value is not finite.
  virtual absl::StatusOr<std::vector<float>> Read(const TensorSpec& spec) const = 0;
};

}  // namespace strided

#endif  // STRIDED_ENGINE_CHECKPOINT_FOREIGN_CHECKPOINT_H_
