// The arrays of a file that numpy.savez or numpy.savez_compressed has written.
//
// The file is mapped and its arrays are unpacked one at a time, so memory is that of the largest
// array asked for. Names are the keys of numpy.load: a member's name without ".npy".

#ifndef STRIDED_ENGINE_CHECKPOINT_NPZ_FILE_H_
#define STRIDED_ENGINE_CHECKPOINT_NPZ_FILE_H_

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/checkpoint/npy_header.h"
#include "engine/checkpoint/zip_archive.h"
#include "engine/model/mapped_file.h"

namespace strided {

// Which index runs fastest in memory.
enum class ElementOrder {
  kRowMajor,     // the last
  kColumnMajor,  // the first: a matrix [in, out] lies as [out, in] would in row-major order
};

// Immutable, so safe to share between threads. Move only.
class NpzFile {
 public:
  // Maps the file at `path` and reads its directory. NotFound where there is none; InvalidArgument,
  // starting with the path, where it is not a zip archive (zip_archive.h) of names that differ
  // without ".npy".
  static absl::StatusOr<NpzFile> Open(const std::string& path);
  // The same of bytes that outlive the result; `name` stands for the path.
  static absl::StatusOr<NpzFile> Parse(std::span<const std::byte> bytes, std::string name);

  // What errors call the file.
  const std::string& path() const { return path_; }
  // Ascending.
  std::vector<std::string> Names() const;

  // The header of the array `name`, from its first bytes alone. InvalidArgument, as
  // "<path>: <array> <what was found>; expected <what>", where it is not one that npy_header.h
  // takes, or the member's size is not that of header and elements. NotFound where there is none.
  absl::StatusOr<NpyHeader> Header(absl::string_view name) const;

  // The values of the array `name`, widened without rounding. Errors as Header; InvalidArgument,
  // too, where its bytes do not unpack to what was declared, or one is a NaN or an infinity.
  // An array with more than two dimensions above 1 is taken in the order that it has.
  absl::StatusOr<std::vector<float>> Read(absl::string_view name, ElementOrder order) const;

 private:
  NpzFile(std::string path, std::map<std::string, ZipMember, std::less<>> members)
      : path_(std::move(path)), members_(std::move(members)) {}

  absl::StatusOr<const ZipMember*> Find(absl::string_view name) const;
  // `status`, whose text is a predicate, with the path and `name` before it.
  absl::Status About(absl::string_view name, const absl::Status& status) const;

  std::string path_;
  std::optional<MappedFile> file_;  // what the members point into, unless somebody else owns it
  std::map<std::string, ZipMember, std::less<>> members_;  // by name without ".npy"
};

}  // namespace strided

#endif  // STRIDED_ENGINE_CHECKPOINT_NPZ_FILE_H_
