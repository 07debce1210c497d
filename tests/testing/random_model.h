// Models with random weights: every tensor of a configuration, the same on every machine.

#ifndef STRIDED_TESTS_TESTING_RANDOM_MODEL_H_
#define STRIDED_TESTS_TESTING_RANDOM_MODEL_H_

#include <cstdint>
#include <vector>

#include "engine/model/config.h"
#include "engine/model/tensor.h"
#include "engine/model/weights.h"
#include "tests/testing/safetensors_writer.h"
#include "tests/testing/temporary_directory.h"

namespace strided {

enum class Biases { kAll, kNone };  // none: the catalog's optional tensors are left out

// The tensors of TensorCatalog(config), in its order. Matrices and vectors are drawn so that the
// logits spread over a few units and no part of the network is without effect: a wrong bias, norm
// or position shows. As kInt8, matrices are int8 with scales, and vectors float32.
std::vector<StoredTensor> RandomTensors(const ModelConfig& config, uint64_t seed,
                                        DType dtype = DType::kFloat32,
                                        Biases biases = Biases::kAll);

struct RandomModel {
  TemporaryDirectory directory;  // holds config.json and model.safetensors
  ModelConfig config;
  Weights weights;
};

// Writes such a model and loads it. Aborts with the status where that fails.
RandomModel MakeRandomModel(const ModelConfig& config, uint64_t seed, DType dtype = DType::kFloat32,
                            Biases biases = Biases::kAll);

}  // namespace strided

#endif  // STRIDED_TESTS_TESTING_RANDOM_MODEL_H_
