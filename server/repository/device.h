// What models run on: the processor, or GPUs.

#ifndef STRIDED_SERVER_REPOSITORY_DEVICE_H_
#define STRIDED_SERVER_REPOSITORY_DEVICE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace strided {

enum class DeviceKind { kCpu, kCuda };

struct Device {
  DeviceKind kind = DeviceKind::kCpu;
  int ordinal = 0;  // of a GPU, among those that the process can use

  friend bool operator==(const Device&, const Device&) = default;
};

struct PresentDevices {
  bool cuda_built_in = false;
  int cuda_count = 0;  // GPUs that the process can use
};

// What this process can use. Thread-safe.
PresentDevices FindDevices();

// The devices that `names` stand for, at least one, each once. One name: "auto", the first GPU
// where there is one, else the processor; "cpu"; "cuda", the first GPU; "all", every GPU. Or one or
// more of "cuda:N". InvalidArgument for a device that is not there or is named twice, with those
// that are there.
absl::StatusOr<std::vector<Device>> ChooseDevices(const std::vector<std::string>& names,
                                                  const PresentDevices& present);

// What suits a kind of device where an operator does not say.
struct DeviceDefaults {
  int max_sequences;          // SchedulerOptions
  int prefill_rows_per_step;  // the same
  int64_t cache_bytes;        // of all sequences of a model; 0: what memory is left
};
DeviceDefaults DefaultsOf(DeviceKind kind);

}  // namespace strided

#endif  // STRIDED_SERVER_REPOSITORY_DEVICE_H_
