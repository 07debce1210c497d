// The executor for NVIDIA GPUs. No CUDA type appears here: where the program was built without a
// CUDA compiler these functions exist and say so.

#ifndef STRIDED_ENGINE_CUDA_CUDA_EXECUTOR_H_
#define STRIDED_ENGINE_CUDA_CUDA_EXECUTOR_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/cache/cache_format.h"
#include "engine/executor.h"
#include "engine/model/config.h"
#include "engine/model/weight_format.h"
#include "engine/model/weights.h"

namespace strided {

// How generated tokens go through the network; prompts have one way.
enum class CudaDecodePath {
  kAuto,     // by clusters where these are known to be faster on the device, else by graphs
  kGraph,    // kernels in CUDA graphs: every network, every device
  kCluster,  // the whole network in one kernel (engine/cuda/cluster/README.md)
};

// "auto", "graph" or "cluster"; nothing for another name.
std::optional<CudaDecodePath> CudaDecodePathFromName(absl::string_view name);

struct CudaOptions {
  int device = 0;  // the CUDA ordinal
  WeightFormat weight_format = WeightFormat::kBfloat16;
  CacheFormat cache_format = CacheFormat::kAuto;
  int max_rows = 2304;           // of one plan
  int max_slots = 256;           // also the most rows of one decode step
  int max_steps = 32;            // consecutive steps of a row in one call
  double memory_fraction = 0.9;  // (0, 1]; of what is free at load, for weights and caches together
  int64_t cache_capacity_bytes = 0;  // of all slots together; 0: what memory_fraction leaves
  CudaDecodePath decode_path = CudaDecodePath::kAuto;
  bool use_grid = true;    // false: a kernel or more for each layer, with the same results
  bool use_graphs = true;  // false: kernels are launched one by one, with the same results
};

// Memory of one device, bytes.
struct DeviceMemory {
  int64_t weights = 0;
  int64_t cache = 0;      // the arena, used or not
  int64_t workspace = 0;  // activations, results, tables
  int64_t free = 0;       // of the device, by its own count; other processes' use included
};

// GPUs that this process can use; 0 where there is no driver or the program has no CUDA.
int CudaDeviceCount();

// Whether the program was built with a CUDA compiler.
bool CudaIsBuiltIn();

class CudaExecutor : public Executor {
 public:
  // Thread-safe.
  virtual DeviceMemory memory() const = 0;
};

// Copies the weights to the device, packed for its tensor cores, and takes one arena for the
// caches; `weights` is not needed afterwards. InvalidArgument where an option is out of range, the
// device does not exist, the model is wider than the device takes float32 weights, or there is no
// such decode_path or cache_format for it, with the reason; ResourceExhausted where memory does not
// suffice, with the numbers; Unimplemented where the program was built without CUDA; Internal where
// the device fails.
absl::StatusOr<std::unique_ptr<CudaExecutor>> CreateCudaExecutor(const ModelConfig& config,
                                                                 const Weights& weights,
                                                                 const CudaOptions& options);

}  // namespace strided

#endif  // STRIDED_ENGINE_CUDA_CUDA_EXECUTOR_H_
