#include "engine/checkpoint/safetensors_writer.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"

namespace strided {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kChunk = 4096;        // values rounded at a time
constexpr size_t kHeaderMultiple = 8;  // bytes; data then begins where any element may

// The file's first bytes: the header's length, and the header with spaces up to the multiple.
std::string HeaderOf(const std::vector<PlannedTensor>& tensors) {
  Json header = Json::object();
  int64_t offset = 0;
  for (const PlannedTensor& tensor : tensors) {
    const int64_t end = offset + PlannedBytes(tensor);
    header[tensor.name] = {{"dtype", std::string(DTypeName(tensor.dtype))},
                           {"shape", tensor.shape},
                           {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  text.resize((text.size() + kHeaderMultiple - 1) / kHeaderMultiple * kHeaderMultiple, ' ');
  const uint64_t length = text.size();
  std::string bytes(sizeof(length), '\0');
  std::memcpy(bytes.data(), &length, sizeof(length));
  return bytes + text;
}

// Rounds to nearest, ties to even. Requires a finite value.
uint16_t ToBfloat16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

int64_t Elements(const PlannedTensor& tensor) {
  int64_t elements = 1;
  for (const int64_t size : tensor.shape) elements *= size;
  return elements;
}

}  // namespace

int64_t PlannedBytes(const PlannedTensor& tensor) {
  return Elements(tensor) * DTypeSize(tensor.dtype);
}

absl::StatusOr<SafetensorsWriter> SafetensorsWriter::Create(const std::string& path,
                                                            std::vector<PlannedTensor> tensors) {
  ASSIGN_OR_RETURN(OutputFile file, OutputFile::Create(path));
  const std::string header = HeaderOf(tensors);
  RETURN_IF_ERROR(file.Write(std::as_bytes(std::span(header))));
  return SafetensorsWriter(std::move(file), std::move(tensors));
}

absl::Status SafetensorsWriter::Write(std::span<const float> values) {
  if (next_ == tensors_.size()) {
    return absl::FailedPreconditionError("all planned tensors are written");
  }
  const PlannedTensor& tensor = tensors_[next_++];
  if (static_cast<int64_t>(values.size()) != Elements(tensor)) {
    return absl::InvalidArgumentError(
        absl::StrCat(tensor.name, " has ", values.size(), " values; expected ", Elements(tensor)));
  }
  if (tensor.dtype == DType::kFloat32) return file_.Write(std::as_bytes(values));
  std::array<uint16_t, kChunk> rounded;
  while (!values.empty()) {
    const std::span<const float> chunk = values.first(std::min(values.size(), kChunk));
    std::transform(chunk.begin(), chunk.end(), rounded.begin(), ToBfloat16);
    RETURN_IF_ERROR(file_.Write(std::as_bytes(std::span(rounded).first(chunk.size()))));
    values = values.subspan(chunk.size());
  }
  return absl::OkStatus();
}

absl::Status SafetensorsWriter::Finish() {
  if (next_ != tensors_.size()) {
    return absl::FailedPreconditionError(
        absl::StrCat(tensors_[next_].name, " is not written; expected every planned tensor"));
  }
  return file_.Finish();
}

}  // namespace strided
