#include "engine/model/safetensors.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/base/status_macros.h"
#include "engine/model/json_object.h"
#include "engine/model/strict_json.h"

namespace strided {
namespace {

using Json = nlohmann::json;

constexpr int64_t kLengthBytes = sizeof(uint64_t);
constexpr int64_t kMaxDimension = int64_t{1} << 30;
constexpr size_t kMaxNameBytes = 256;
constexpr std::array<NamedValue<DType>, 4> kDTypes = {{{"F32", DType::kFloat32},
                                                       {"F16", DType::kFloat16},
                                                       {"BF16", DType::kBfloat16},
                                                       {"I8", DType::kInt8}}};

// A file's two parts, checked against its size.
struct Parts {
  absl::string_view header;
  std::span<const std::byte> data;
};

absl::StatusOr<Parts> Split(std::span<const std::byte> file) {
  const int64_t size = static_cast<int64_t>(file.size());
  if (size < kLengthBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("has ", size, " bytes; expected at least ", kLengthBytes));
  }
  uint64_t length = 0;
  std::memcpy(&length, file.data(), sizeof(length));
  const int64_t most = std::min(kMaxHeaderBytes, size - kLengthBytes);
  if (length > static_cast<uint64_t>(most)) {
    return absl::InvalidArgumentError(absl::StrCat("has a header of ", length,
                                                   " bytes; expected at most ", most,
                                                   " in a file of ", size, " bytes"));
  }
  const std::span<const std::byte> header = file.subspan(kLengthBytes, length);
  return Parts{.header = {reinterpret_cast<const char*>(header.data()), header.size()},
               .data = file.subspan(kLengthBytes + length)};
}

// Bytes of a tensor of at most two dimensions.
int64_t ByteSize(DType dtype, const std::vector<int64_t>& shape) {
  static_assert(kMaxDimension <= std::numeric_limits<int64_t>::max() / kMaxDimension / 4);
  int64_t elements = 1;
  for (const int64_t dimension : shape) elements *= dimension;
  return elements * DTypeSize(dtype);
}

// One entry of the header, with its place in `data`.
struct Entry {
  Tensor tensor;  // of a skipped entry the name alone
  bool skipped = false;
  int64_t begin = 0;
  int64_t end = 0;
};

absl::StatusOr<std::vector<int64_t>> ParseOffsets(JsonObject& object,
                                                  std::span<const std::byte> data) {
  return object.Integers("data_offsets", {2, 2}, {0, static_cast<int64_t>(data.size())});
}

// An entry of which only the place counts.
absl::StatusOr<Entry> PassOver(const std::string& name, const Json& value,
                               std::span<const std::byte> data) {
  ASSIGN_OR_RETURN(JsonObject object, JsonObject::Create(&value, name));
  ASSIGN_OR_RETURN(const std::vector<int64_t> offsets, ParseOffsets(object, data));
  Entry entry;
  entry.skipped = true;
  entry.tensor.name = name;
  entry.begin = offsets[0];
  entry.end = offsets[1];
  if (entry.begin <= entry.end) return entry;
  return JsonError(object.PathOf("data_offsets"), object.Find("data_offsets"), "ascending offsets");
}

absl::StatusOr<Entry> ParseEntry(const std::string& name, const Json& value,
                                 std::span<const std::byte> data) {
  if (name.size() > kMaxNameBytes) {
    return absl::InvalidArgumentError(absl::StrCat("has a tensor whose name has ", name.size(),
                                                   " bytes; expected at most ", kMaxNameBytes));
  }
  ASSIGN_OR_RETURN(JsonObject object, JsonObject::Create(&value, name));
  Entry entry;
  entry.tensor.name = name;
  ASSIGN_OR_RETURN(entry.tensor.dtype, object.OneOf<DType>("dtype", kDTypes));
  ASSIGN_OR_RETURN(entry.tensor.shape, object.Integers("shape", {1, 2}, {1, kMaxDimension}));
  ASSIGN_OR_RETURN(const std::vector<int64_t> offsets, ParseOffsets(object, data));
  RETURN_IF_ERROR(object.RefuseOthers());
  entry.begin = offsets[0];
  entry.end = offsets[1];
  const int64_t bytes = ByteSize(entry.tensor.dtype, entry.tensor.shape);
  if (entry.end - entry.begin != bytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        object.PathOf("data_offsets"), " is [", absl::StrJoin(offsets, ","), "], ",
        entry.end - entry.begin, " bytes; expected ", bytes, " for ", DTypeName(entry.tensor.dtype),
        " [", absl::StrJoin(entry.tensor.shape, ", "), "]"));
  }
  entry.tensor.data = data.subspan(static_cast<size_t>(entry.begin), static_cast<size_t>(bytes));
  return entry;
}

// Each byte of the data belongs to exactly one tensor. `entries` ascend by their first byte.
absl::Status CheckCover(const std::vector<Entry>& entries, int64_t data_bytes) {
  int64_t covered = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != covered) {
      return absl::InvalidArgumentError(absl::StrCat(entry.tensor.name, " begins at byte ",
                                                     entry.begin, " of the data; expected ",
                                                     covered, ", without gap or overlap"));
    }
    covered = entry.end;
  }
  if (covered == data_bytes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("has ", data_bytes, " bytes of data; expected ", covered));
}

bool IsShardName(absl::string_view name) {
  return absl::EndsWith(name, ".safetensors") && name.find('/') == absl::string_view::npos &&
         name.find('\0') == absl::string_view::npos && name.front() != '.';
}

}  // namespace

absl::StatusOr<std::vector<Tensor>> ParseSafetensors(std::span<const std::byte> file,
                                                     TensorNameTest skipped) {
  ASSIGN_OR_RETURN(const Parts parts, Split(file));
  const absl::StatusOr<Json> header = ParseStrictJson(parts.header);
  if (!header.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("has a header that ", header.status().message()));
  }
  if (!header->is_object()) return JsonError("the header", &*header, "an object");
  std::vector<Entry> entries;
  for (const auto& [name, value] : header->items()) {
    if (name == "__metadata__") continue;  // free text about the file
    ASSIGN_OR_RETURN(Entry entry, skipped(name) ? PassOver(name, value, parts.data)
                                                : ParseEntry(name, value, parts.data));
    entries.push_back(std::move(entry));
  }
  // An empty tensor lies before what begins where it does.
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  RETURN_IF_ERROR(CheckCover(entries, static_cast<int64_t>(parts.data.size())));
  std::vector<Tensor> tensors;
  tensors.reserve(entries.size());
  for (Entry& entry : entries) {
    if (!entry.skipped) tensors.push_back(std::move(entry.tensor));
  }
  return tensors;
}

absl::StatusOr<std::map<std::string, std::string>> ParseShardIndex(absl::string_view text) {
  const absl::StatusOr<Json> document = ParseStrictJson(text);
  if (!document.ok()) return document.status();
  ASSIGN_OR_RETURN(JsonObject index, JsonObject::Create(&*document, ""));
  index.Find("metadata");  // free text about the model
  const Json* weight_map = index.Find("weight_map");
  if (weight_map == nullptr || !weight_map->is_object()) {
    return JsonError("weight_map", weight_map, "an object");
  }
  RETURN_IF_ERROR(index.RefuseOthers());
  std::map<std::string, std::string> shards;
  for (const auto& [tensor, shard] : weight_map->items()) {
    if (!shard.is_string() || !IsShardName(shard.get<std::string>())) {
      return JsonError(absl::StrCat("weight_map.", tensor), &shard,
                       "a file beside the index, *.safetensors");
    }
    shards[tensor] = shard.get<std::string>();
  }
  return shards;
}

}  // namespace strided
