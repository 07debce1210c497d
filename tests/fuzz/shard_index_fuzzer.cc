// Any text as a model.safetensors.index.json: refused, or names of files within the directory.

#include <cstddef>
#include <cstdint>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "engine/model/safetensors.h"
#include "tests/fuzz/require.h"

namespace strided {
namespace {

void Fuzz(absl::string_view text) {
  const auto shards = ParseShardIndex(text);
  if (!shards.ok()) {
    Require(shards.status().code() == absl::StatusCode::kInvalidArgument, "InvalidArgument");
    return;
  }
  for (const auto& [tensor, file] : *shards) {
    Require(!absl::StrContains(file, '/'), "a shard lies in the model's own directory");
    Require(absl::EndsWith(file, ".safetensors"), "a shard is a safetensors file");
  }
}

}  // namespace
}  // namespace strided

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  strided::Fuzz(absl::string_view(reinterpret_cast<const char*>(bytes), size));
  return 0;
}
