#include "engine/model/weight_format.h"

#include <array>

namespace strided {
namespace {

struct Entry {
  WeightFormat format;
  absl::string_view name;
  int bytes;
};

constexpr std::array<Entry, 5> kEntries = {{{WeightFormat::kFloat32, "float32", 4},
                                            {WeightFormat::kFloat16, "float16", 2},
                                            {WeightFormat::kBfloat16, "bfloat16", 2},
                                            {WeightFormat::kInt8, "int8", 1},
                                            {WeightFormat::kFloat8, "float8", 1}}};

const Entry& EntryOf(WeightFormat format) {
  for (const Entry& entry : kEntries) {
    if (entry.format == format) return entry;
  }
  return kEntries.front();
}

}  // namespace

absl::string_view WeightFormatName(WeightFormat format) { return EntryOf(format).name; }

std::optional<WeightFormat> WeightFormatFromName(absl::string_view name) {
  for (const Entry& entry : kEntries) {
    if (entry.name == name) return entry.format;
  }
  return std::nullopt;
}

int WeightBytes(WeightFormat format) { return EntryOf(format).bytes; }

}  // namespace strided
