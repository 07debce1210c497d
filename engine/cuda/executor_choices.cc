#include "engine/cuda/executor_choices.h"

#include <cuda_runtime_api.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/cache/cache_format.h"
#include "engine/cuda/cluster/cluster_choice.h"
#include "engine/cuda/kernels/cuda_status.h"
#include "engine/cuda/kernels/current_device.h"
#include "engine/cuda/kernels/device_types.h"
#include "engine/option_check.h"

namespace strided::cuda {
namespace {

// Raised by a change that changes the bits of a result.
constexpr int kKernelGeneration = 4;

absl::StatusOr<int> Attribute(cudaDeviceAttr attribute, int device) {
  int value = 0;
  RETURN_IF_ERROR(
      CudaError(cudaDeviceGetAttribute(&value, attribute, device), "asking what the device is"));
  return value;
}

// E.g. 9.0. Tensor cores of other generations may round their sums otherwise.
struct Capability {
  int major = 0;
  int minor = 0;
  std::string Name() const { return absl::StrCat(major, ".", minor); }
};

absl::StatusOr<Capability> CapabilityOf(int device) {
  Capability capability;
  ASSIGN_OR_RETURN(capability.major, Attribute(cudaDevAttrComputeCapabilityMajor, device));
  ASSIGN_OR_RETURN(capability.minor, Attribute(cudaDevAttrComputeCapabilityMinor, device));
  return capability;
}

// The kernel's shape; nothing where tokens go by graphs. InvalidArgument where the options insist
// on a kernel that there is not.
absl::StatusOr<std::optional<cluster::Shape>> ClusterShapeOf(const ModelConfig& config,
                                                             const CudaOptions& options,
                                                             const Capability& capability) {
  if (options.decode_path == CudaDecodePath::kGraph) return std::nullopt;
  const absl::StatusOr<cluster::Shape> shape =
      cluster::ChooseShape(config, options.weight_format, options.cache_format, capability.major);
  const bool insists = options.decode_path == CudaDecodePath::kCluster;
  if (shape.ok() && (insists || cluster::IsFasterThanGraphs(*shape))) return *shape;
  if (!insists) return std::nullopt;
  return absl::InvalidArgumentError(
      absl::StrCat("decode_path is cluster: ", shape.status().message()));
}

// ExecutorInfo::cache_format.
std::string CacheFormatOf(const CudaOptions& options) {
  if (options.cache_format == CacheFormat::kInt8) return "int8";
  switch (OperandOf(options.weight_format)) {
    case Operand::kFloat32:
      return "float32";
    case Operand::kFloat16:
      return "float16";
    case Operand::kBfloat16:
      return "bfloat16";
  }
  return "";
}

// The device is the current one.
absl::StatusOr<std::string> NumericsOf(const CudaOptions& options, const Capability& capability,
                                       bool by_clusters) {
  ASSIGN_OR_RETURN(const CurrentDevice device, CurrentDevice::Find());
  return absl::StrCat("cuda-", kKernelGeneration,
                      " weights=", WeightFormatName(options.weight_format),
                      " cache=", CacheFormatOf(options),
                      " prefill=", device.has_warpgroups ? "warpgroups" : "warps",
                      " decode=", by_clusters ? "cluster" : "graph", " device=", capability.Name());
}

ExecutorInfo InfoOf(const CudaOptions& options, std::string numerics, bool by_clusters,
                    int64_t parameter_count) {
  ExecutorInfo info;
  info.device = absl::StrCat("cuda:", options.device);
  info.weight_format = std::string(WeightFormatName(options.weight_format));
  info.cache_format = CacheFormatOf(options);
  info.numerics = std::move(numerics);
  info.max_rows = options.max_rows;
  info.max_steps = options.max_steps;
  // Graphs want every multiprocessor for a moment at a time, clusters some for as long as they run.
  info.prompts_beside_steps = by_clusters;
  info.parameter_count = parameter_count;
  return info;
}

absl::Status CheckOptions(const CudaOptions& options) {
  const int devices = CudaDeviceCount();
  if (options.device < 0 || options.device >= devices) {
    return absl::InvalidArgumentError(
        absl::StrCat("CUDA device ", options.device, " does not exist; there are ", devices));
  }
  if (!(options.memory_fraction > 0 && options.memory_fraction <= 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("memory_fraction is ", options.memory_fraction, "; it must be above 0, to 1"));
  }
  RETURN_IF_ERROR(CheckAtLeast("max_rows", options.max_rows, 1));
  RETURN_IF_ERROR(CheckAtLeast("max_slots", options.max_slots, 1));
  RETURN_IF_ERROR(CheckAtLeast("max_steps", options.max_steps, 1));
  return CheckAtLeast("cache_capacity_bytes", options.cache_capacity_bytes, 0);
}

}  // namespace

absl::Status UseDevice(int device) {
  return CudaError(cudaSetDevice(device), absl::StrCat("using CUDA device ", device));
}

absl::StatusOr<ExecutorChoices> ChooseExecutor(const ModelConfig& config,
                                               const CudaOptions& options,
                                               int64_t parameter_count) {
  RETURN_IF_ERROR(CheckOptions(options));
  RETURN_IF_ERROR(CheckCacheFormat(options.cache_format, config, options.weight_format));
  ASSIGN_OR_RETURN(const Capability capability, CapabilityOf(options.device));
  ExecutorChoices choices;
  ASSIGN_OR_RETURN(choices.cluster_shape, ClusterShapeOf(config, options, capability));
  const bool by_clusters = choices.cluster_shape.has_value();
  RETURN_IF_ERROR(UseDevice(options.device));
  ASSIGN_OR_RETURN(std::string numerics, NumericsOf(options, capability, by_clusters));
  choices.info = InfoOf(options, std::move(numerics), by_clusters, parameter_count);
  return choices;
}

}  // namespace strided::cuda
