// The safetensors format: an 8-byte little-endian header length, a JSON header, then the tensors'
// bytes without gaps. https://github.com/huggingface/safetensors, "Format".

#ifndef STRIDED_ENGINE_MODEL_SAFETENSORS_H_
#define STRIDED_ENGINE_MODEL_SAFETENSORS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/model/tensor.h"

namespace strided {

// Bytes of a header or of a shard index; a model of 4,096 layers has a header of about 8 MiB.
inline constexpr int64_t kMaxHeaderBytes = int64_t{16} << 20;

// The tensors of a whole file, in the order of their bytes. They point into `file`.
// InvalidArgument, with the tensor, what was found and what was expected, unless
// - the header's length fits the file and kMaxHeaderBytes, and the header is strict JSON;
// - every tensor has exactly a dtype of DType, a shape of one or two dimensions of at least 1, and
//   data_offsets that hold just that many bytes;
// - the tensors cover the rest of the file, each byte once.
// The text of an error starts with a predicate or a tensor, so that the caller puts the file's name
// before it. A tensor whose name `skipped` takes is left out, and only its data_offsets count: it
// may be of any dtype and shape.
using TensorNameTest = absl::FunctionRef<bool(absl::string_view name)>;
absl::StatusOr<std::vector<Tensor>> ParseSafetensors(std::span<const std::byte> file,
                                                     TensorNameTest skipped);
inline absl::StatusOr<std::vector<Tensor>> ParseSafetensors(std::span<const std::byte> file) {
  return ParseSafetensors(file, [](absl::string_view) { return false; });
}

// Which shard holds each tensor, from the text of a model.safetensors.index.json. InvalidArgument
// where it is not of that form, or names a file that is not a plain name ending in .safetensors.
absl::StatusOr<std::map<std::string, std::string>> ParseShardIndex(absl::string_view text);

}  // namespace strided

#endif  // STRIDED_ENGINE_MODEL_SAFETENSORS_H_
