// A network of random bytes in device memory, for times alone.

#ifndef STRIDED_TESTS_BENCHMARKS_RANDOM_NETWORK_H_
#define STRIDED_TESTS_BENCHMARKS_RANDOM_NETWORK_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/cuda/device_buffer.h"
#include "engine/cuda/device_network.h"
#include "engine/model/config.h"
#include "engine/model/weight_format.h"

namespace strided::cuda {

// Every matrix has memory of its own, as a loaded network's. Elements are small, so that nothing
// overflows; otherwise they mean nothing. Ends the program where memory does not suffice.
class RandomNetwork {
 public:
  // Requires WeightFormat::kBfloat16, kFloat16 or kFloat32.
  RandomNetwork(const ModelConfig& config, WeightFormat format);

  const DeviceNetwork& view() const { return view_; }

 private:
  DeviceMatrix Matrix(int outputs, int inputs);
  DeviceNorm Norm(int width, double epsilon);
  const float* Floats(size_t count);

  WeightFormat format_;
  std::vector<std::byte> pattern_;  // what is copied to each block
  std::vector<DeviceBuffer<std::byte>> blocks_;
  DeviceBuffer<HeadRows> head_rows_;
  DeviceNetwork view_;
};

// One sequence of `max_length` positions with its caches.
class RandomSequence {
 public:
  RandomSequence(const ModelConfig& config, int max_length, Operand operand);

  const DeviceSequence* device() const { return sequence_.data(); }  // slot 0

 private:
  DeviceBuffer<std::byte> cache_;
  DeviceBuffer<int64_t> offsets_;
  DeviceBuffer<float> start_;
  DeviceBuffer<DeviceSequence> sequence_;
};

}  // namespace strided::cuda

#endif  // STRIDED_TESTS_BENCHMARKS_RANDOM_NETWORK_H_
