#include "server/repository/device.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "engine/base/status_macros.h"
#include "engine/cuda/cuda_executor.h"

namespace strided {
namespace {

std::string NamesOf(const PresentDevices& present) {
  if (present.cuda_count == 0) return "auto or cpu";
  const std::string last = absl::StrCat("cuda:", present.cuda_count - 1);
  return absl::StrCat("auto, cpu, cuda or ",
                      present.cuda_count == 1 ? last : absl::StrCat("cuda:0 to ", last));
}

absl::Status NotThere(absl::string_view name, const PresentDevices& present) {
  std::string why = ", which is not there";
  if (!present.cuda_built_in) {
    why = ", which this program was built without";
  } else if (present.cuda_count == 0) {
    why = ", and this process can use no GPU";
  }
  return absl::InvalidArgumentError(
      absl::StrCat("device is \"", name, "\"", why, "; expected ", NamesOf(present)));
}

std::vector<Device> EveryGpu(const PresentDevices& present) {
  std::vector<Device> devices;
  for (int i = 0; i < present.cuda_count; ++i) devices.push_back({DeviceKind::kCuda, i});
  return devices;
}

absl::StatusOr<Device> ChooseDevice(absl::string_view name, const PresentDevices& present) {
  const Device first_gpu{DeviceKind::kCuda, 0};
  if (name == "cpu" || (name == "auto" && present.cuda_count == 0)) return Device();
  if (name == "auto") return first_gpu;
  if (name == "cuda" && present.cuda_count > 0) return first_gpu;
  absl::string_view digits = name;
  int ordinal = 0;
  if (absl::ConsumePrefix(&digits, "cuda:") && absl::SimpleAtoi(digits, &ordinal) && ordinal >= 0 &&
      ordinal < present.cuda_count) {
    return Device{DeviceKind::kCuda, ordinal};
  }
  return NotThere(name, present);
}

}  // namespace

PresentDevices FindDevices() {
  return {.cuda_built_in = CudaIsBuiltIn(), .cuda_count = CudaDeviceCount()};
}

absl::StatusOr<std::vector<Device>> ChooseDevices(const std::vector<std::string>& names,
                                                  const PresentDevices& present) {
  if (names.size() == 1 && names.front() == "all" && present.cuda_count > 0) {
    return EveryGpu(present);
  }
  std::vector<Device> devices;
  for (const std::string& name : names) {
    ASSIGN_OR_RETURN(const Device device, ChooseDevice(name, present));
    if (std::find(devices.begin(), devices.end(), device) != devices.end()) {
      return absl::InvalidArgumentError(absl::StrCat("device \"", name, "\" is named twice"));
    }
    devices.push_back(device);
  }
  return devices;
}

DeviceDefaults DefaultsOf(DeviceKind kind) {
  // A processor is full with a few rows, and its memory belongs to others too. A GPU reads its
  // weights once for all rows of a step, and has its memory to itself.
  if (kind == DeviceKind::kCpu) {
    return {.max_sequences = 64, .prefill_rows_per_step = 64, .cache_bytes = int64_t{1} << 30};
  }
  return {.max_sequences = 256, .prefill_rows_per_step = 2048, .cache_bytes = 0};
}

}  // namespace strided
