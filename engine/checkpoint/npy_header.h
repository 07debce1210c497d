// The header of an array file of NumPy (.npy): dtype, order and shape.
// NEP 1 and numpy.lib.format, versions 1.0 to 3.0.

#ifndef STRIDED_ENGINE_CHECKPOINT_NPY_HEADER_H_
#define STRIDED_ENGINE_CHECKPOINT_NPY_HEADER_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/model/tensor.h"

namespace strided {

// How many bytes the start of a file has: enough to know where its header ends.
inline constexpr int64_t kNpyStartBytes = 12;
// Bytes of a header that are read; NumPy itself takes no more than 10,000 from strangers.
inline constexpr int64_t kMaxNpyHeaderBytes = 10000;
inline constexpr int kMaxNpyDimensions = 8;
// Elements of one array; as float32 it takes 1 GiB.
inline constexpr int64_t kMaxNpyElements = int64_t{1} << 28;

struct NpyHeader {
  DType dtype = DType::kFloat32;  // one of the floats
  bool fortran_order = false;     // the first index runs fastest; else the last
  std::vector<int64_t> shape;     // empty: a single value
  int64_t elements = 0;           // product of the shape, 1 to kMaxNpyElements
};

// Where the text of the header lies within the file.
struct NpyHeaderPlace {
  int64_t begin = 0;  // bytes from the file's start
  int64_t size = 0;   // bytes, at most kMaxNpyHeaderBytes
};

// From the first kNpyStartBytes bytes of a file. InvalidArgument for another magic number or
// version, or a header above the limit. All error texts here are predicates ("has dtype ...").
absl::StatusOr<NpyHeaderPlace> FindNpyHeader(std::span<const std::byte> start);

// The header of that text: a Python dict of exactly `descr`, `fortran_order` and `shape`, in any
// order. InvalidArgument, with what was found and what was expected, where it is not of that form,
// has a dtype that is not little-endian float32 ("<f4"), float16 ("<f2") or bfloat16 (two bytes
// that NumPy has no name for, "<V2" or "|V2"), or a shape beyond the limits above.
absl::StatusOr<NpyHeader> ParseNpyHeader(absl::string_view text);

}  // namespace strided

#endif  // STRIDED_ENGINE_CHECKPOINT_NPY_HEADER_H_
