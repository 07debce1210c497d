// Any bytes as the .npz of a distribution-augmentation run: refused with a reason, or a checkpoint
// each of whose tensors is read, or refused, at the size that its configuration says.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/checkpoint/distaug_checkpoint.h"
#include "engine/checkpoint/npz_file.h"
#include "tests/fuzz/require.h"

namespace strided {
namespace {

// The file corpus/npz/smallest_run fits it.
DistaugOptions SmallestLayout() {
  DistaugOptions options;
  options.layout.emplace();
  options.layout->n_head = 1;
  options.layout->schedule = {PatternKind::kDense};
  options.layout->stride = 1;
  return options;
}

void RequireReason(const absl::Status& status) {
  Require(status.code() == absl::StatusCode::kInvalidArgument, "InvalidArgument");
  Require(!status.message().empty(), "a refusal says why");
}

// Every array that the archive has, whatever the network needs.
void ReadArrays(const NpzFile& file) {
  for (const std::string& name : file.Names()) {
    const absl::StatusOr<NpyHeader> header = file.Header(name);
    if (!header.ok()) {
      RequireReason(header.status());
      continue;
    }
    for (const ElementOrder order : {ElementOrder::kRowMajor, ElementOrder::kColumnMajor}) {
      const absl::StatusOr<std::vector<float>> values = file.Read(name, order);
      if (!values.ok()) RequireReason(values.status());
      Require(!values.ok() || values->size() == static_cast<size_t>(header->elements),
              "an array has as many values as its header says");
    }
  }
}

void Fuzz(std::span<const std::byte> bytes) {
  absl::StatusOr<NpzFile> file = NpzFile::Parse(bytes, "fuzzed");
  if (!file.ok()) return RequireReason(file.status());
  ReadArrays(*file);
  const absl::StatusOr<DistaugCheckpoint> checkpoint =
      DistaugCheckpoint::Open(*std::move(file), SmallestLayout());
  if (!checkpoint.ok()) return RequireReason(checkpoint.status());
  for (const TensorSpec& spec : TensorCatalog(checkpoint->config())) {
    Require(checkpoint->Has(spec), "a checkpoint has every tensor of its network");
    const absl::StatusOr<std::vector<float>> values = checkpoint->Read(spec);
    if (!values.ok()) {
      RequireReason(values.status());
      continue;
    }
    int64_t elements = 1;
    for (const int64_t size : spec.shape) elements *= size;
    Require(values->size() == static_cast<size_t>(elements), "tensors have their shapes");
  }
}

}  // namespace
}  // namespace strided

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  strided::Fuzz(std::as_bytes(std::span(bytes, size)));
  return 0;
}
