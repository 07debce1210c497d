#include "engine/cuda/sequence_store.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/cache/cache_bytes.h"
#include "engine/cuda/kernels/head_rows.h"

namespace strided::cuda {
namespace {

// Bytes from the start of a sequence's caches to each head's keys; its values follow them.
std::vector<int64_t> HeadOffsets(const ModelConfig& config, int max_length, int element_bytes) {
  std::vector<int64_t> offsets;
  int64_t next = 0;
  for (const auto& layer : config.attention) {
    for (const AttentionPattern& head : layer) {
      offsets.push_back(next);
      next += HeadCacheBytes(HeadRows::Of(head).Rows(max_length), config.d_key, config.d_value,
                             element_bytes);
    }
  }
  return offsets;
}

}  // namespace

absl::StatusOr<std::unique_ptr<SequenceStore>> SequenceStore::Create(const ModelConfig& config,
                                                                     const Options& options,
                                                                     cudaStream_t stream) {
  auto store = std::make_unique<SequenceStore>(Passkey(), config, options, stream);
  const auto slots = static_cast<size_t>(options.max_slots);
  ASSIGN_OR_RETURN(store->table_, DeviceBuffer<DeviceSequence>::Create(slots));
  ASSIGN_OR_RETURN(store->head_offsets_, DeviceBuffer<int64_t>::Create(slots * store->heads()));
  ASSIGN_OR_RETURN(store->starts_,
                   DeviceBuffer<float>::Create(slots * static_cast<size_t>(config.d_model)));
  ASSIGN_OR_RETURN(store->histories_,
                   DeviceBuffer<int32_t>::Create(slots * static_cast<size_t>(config.vocab_size)));
  return store;
}

absl::Status SequenceStore::TakeArena(int64_t bytes) {
  // Whole units, or a sequence of all the capacity would find no room, and wait forever.
  const int64_t whole = CacheArena::Rounded(bytes);
  ASSIGN_OR_RETURN(arena_memory_, DeviceBuffer<std::byte>::Create(static_cast<size_t>(whole)));
  arena_ = CacheArena(whole);
  slots_.SetCapacity(bytes);
  return absl::OkStatus();
}

int64_t SequenceStore::CacheBytes(int max_length) const {
  return SequenceCacheBytes(config_, max_length, options_.element_bytes);
}

absl::StatusOr<std::unique_ptr<Sequence>> SequenceStore::Make(const SequenceSpec& spec) {
  const int64_t bytes = CacheBytes(spec.max_length);
  RETURN_IF_ERROR(slots_.CheckRoom(bytes));
  ASSIGN_OR_RETURN(SequenceSampler sampler, SequenceSampler::Create(spec, stream_));
  auto sequence = std::make_unique<Sequence>(std::move(sampler));
  sequence->spec = spec;
  sequence->progress.max_length = spec.max_length;
  sequence->bytes = bytes;
  const std::optional<int64_t> offset = arena_.Take(bytes);
  if (!offset.has_value()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the sequence takes ", bytes, " cache bytes; of ", arena_memory_.bytes(), ", ",
                     arena_.free_bytes(), " are free, of which ", arena_.largest_free_part(),
                     " stand together"));
  }
  sequence->offset = *offset;
  return sequence;
}

absl::StatusOr<int> SequenceStore::Publish(std::unique_ptr<Sequence> sequence) {
  DeviceSequence entry;
  entry.cache = arena_memory_.data() + sequence->offset;
  entry.max_length = sequence->spec.max_length;
  entry.sampler = sequence->sampler.device();
  const std::vector<int64_t> offsets =
      HeadOffsets(config_, sequence->spec.max_length, options_.element_bytes);
  const int slot = slots_.Add(std::move(sequence));
  const auto index = static_cast<size_t>(slot);
  int64_t* const head_offsets = head_offsets_.data() + index * heads();
  entry.head_offsets = head_offsets;
  entry.start = StartOf(slot);
  entry.sampler.history = HistoryOf(slot);
  static_assert(kUnseenToken == -1, "all of its bytes are 0xFF");
  absl::Status status = CudaError(cudaMemsetAsync(HistoryOf(slot), 0xFF, history_bytes(), stream_),
                                  "emptying a history");
  if (status.ok()) {
    status =
        ToDevice(head_offsets, std::span<const int64_t>(offsets), "copying a sequence's offsets");
  }
  if (status.ok()) {
    status = ToDevice(table_.data() + index, std::span<const DeviceSequence>(&entry, 1),
                      "copying a sequence");
  }
  if (status.ok()) return slot;
  Remove(slot);
  return status;
}

absl::StatusOr<int> SequenceStore::Add(const SequenceSpec& spec, std::span<const float> start) {
  ASSIGN_OR_RETURN(std::unique_ptr<Sequence> sequence, Make(spec));
  ASSIGN_OR_RETURN(const int slot, Publish(std::move(sequence)));
  const absl::Status status = ToDevice(StartOf(slot), start, "copying a start vector");
  if (status.ok()) return slot;
  Remove(slot);
  return status;
}

absl::StatusOr<int> SequenceStore::Fork(const Sequence& parent, int parent_slot,
                                        const SequenceSpec& spec) {
  ASSIGN_OR_RETURN(std::unique_ptr<Sequence> sequence, Make(spec));
  sequence->progress.next_position = parent.progress.next_position;
  const int64_t offset = sequence->offset;
  ASSIGN_OR_RETURN(const int slot, Publish(std::move(sequence)));
  absl::Status status = CudaError(
      cudaMemcpyAsync(arena_memory_.data() + offset, arena_memory_.data() + parent.offset,
                      static_cast<size_t>(parent.bytes), cudaMemcpyDeviceToDevice, stream_),
      "copying caches");
  if (status.ok()) {
    status = CudaError(cudaMemcpyAsync(StartOf(slot), StartOf(parent_slot),
                                       static_cast<size_t>(config_.d_model) * sizeof(float),
                                       cudaMemcpyDeviceToDevice, stream_),
                       "copying a start vector");
  }
  if (status.ok()) {
    status = CudaError(cudaMemcpyAsync(HistoryOf(slot), HistoryOf(parent_slot), history_bytes(),
                                       cudaMemcpyDeviceToDevice, stream_),
                       "copying a history");
  }
  if (status.ok()) return slot;
  Remove(slot);
  return status;
}

void SequenceStore::Remove(int slot) {
  arena_.GiveBack(slots_.Find(slot)->offset);
  slots_.Remove(slot);
}

}  // namespace strided::cuda
