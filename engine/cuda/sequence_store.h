// The sequences that a device holds: their caches in the arena, their samplers, and the table from
// which kernels know them.

#ifndef STRIDED_ENGINE_CUDA_SEQUENCE_STORE_H_
#define STRIDED_ENGINE_CUDA_SEQUENCE_STORE_H_

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/cache/slot_table.h"
#include "engine/cuda/cache_arena.h"
#include "engine/cuda/device_buffer.h"
#include "engine/cuda/device_sampler.h"
#include "engine/cuda/kernels/cuda_status.h"
#include "engine/cuda/kernels/device_types.h"
#include "engine/executor.h"
#include "engine/model/config.h"
#include "engine/plan_check.h"

namespace strided::cuda {

// What a slot of the CUDA executor holds.
struct Sequence {
  explicit Sequence(SequenceSampler its_sampler) : sampler(std::move(its_sampler)) {}
  int64_t cache_bytes() const { return bytes; }

  SequenceSpec spec;
  SequenceProgress progress;
  int64_t bytes = 0;   // of its caches
  int64_t offset = 0;  // of its caches in the arena
  SequenceSampler sampler;
};

// One thread adds, finds and removes; usage() may be called from any.
class SequenceStore {
  class Passkey {  // leaves construction to Create
    friend SequenceStore;
    Passkey() = default;
  };

 public:
  struct Options {
    int max_slots = 256;
    int element_bytes = 2;  // of a key's or value's element
  };

  SequenceStore(Passkey, const ModelConfig& config, const Options& options, cudaStream_t stream)
      : config_(config),
        options_(options),
        stream_(stream),
        slots_(options.max_slots, 0),
        arena_(0) {}

  // Takes the tables on the current device; copies go in the order of `stream`, which outlives the
  // store. ResourceExhausted where memory does not suffice, with the bytes.
  static absl::StatusOr<std::unique_ptr<SequenceStore>> Create(const ModelConfig& config,
                                                               const Options& options,
                                                               cudaStream_t stream);

  // Takes the memory of all caches, once, before the first sequence. Errors as for Create.
  absl::Status TakeArena(int64_t bytes);

  // Bytes of the caches of a sequence of `max_length` steps.
  int64_t CacheBytes(int max_length) const;

  // A slot for a sequence that has run nothing and starts with `start` [d_model]. Requires a spec
  // that CheckSequenceSpec took. Errors as Executor::StartSequence.
  absl::StatusOr<int> Add(const SequenceSpec& spec, std::span<const float> start);
  // A slot for a sequence that has run what `parent` has. Errors as Executor::ForkSequence.
  absl::StatusOr<int> Fork(const Sequence& parent, int parent_slot, const SequenceSpec& spec);
  // Null where the slot is not in use.
  Sequence* Find(int slot) const { return slots_.Find(slot); }
  // Requires a slot in use, and that the device has run all that names it.
  void Remove(int slot);

  CacheUsage usage() const { return slots_.usage(); }
  // By slot, device memory.
  const DeviceSequence* table() const { return table_.data(); }
  int64_t arena_bytes() const { return arena_memory_.bytes(); }
  int64_t table_bytes() const {
    return table_.bytes() + head_offsets_.bytes() + starts_.bytes() + histories_.bytes();
  }

 private:
  size_t heads() const {
    return static_cast<size_t>(config_.n_layer) * static_cast<size_t>(config_.n_head);
  }
  // Room in the arena, and the sequence in no slot yet.
  absl::StatusOr<std::unique_ptr<Sequence>> Make(const SequenceSpec& spec);
  // Puts it into a slot and tells the device, with an empty history and no start vector.
  absl::StatusOr<int> Publish(std::unique_ptr<Sequence> sequence);
  // In the stream's order: its kernels do not wait for copies elsewhere. `from` may be reused on
  // return.
  template <typename T>
  absl::Status ToDevice(T* to, std::span<const T> from, absl::string_view what) const {
    return CudaError(
        cudaMemcpyAsync(to, from.data(), from.size_bytes(), cudaMemcpyHostToDevice, stream_), what);
  }
  float* StartOf(int slot) const {
    return starts_.data() + static_cast<size_t>(slot) * static_cast<size_t>(config_.d_model);
  }
  size_t history_bytes() const { return static_cast<size_t>(config_.vocab_size) * sizeof(int32_t); }
  int32_t* HistoryOf(int slot) const {
    return histories_.data() + static_cast<size_t>(slot) * static_cast<size_t>(config_.vocab_size);
  }

  const ModelConfig config_;
  const Options options_;
  const cudaStream_t stream_;  // not owned
  SlotTable<Sequence> slots_;
  CacheArena arena_;
  DeviceBuffer<std::byte> arena_memory_;
  DeviceBuffer<DeviceSequence> table_;  // [max_slots]
  DeviceBuffer<int64_t> head_offsets_;  // [max_slots][n_layer][n_head]
  DeviceBuffer<float> starts_;          // [max_slots][d_model]
  DeviceBuffer<int32_t> histories_;     // [max_slots][vocab_size] DeviceSampler::history
};

}  // namespace strided::cuda

#endif  // STRIDED_ENGINE_CUDA_SEQUENCE_STORE_H_
