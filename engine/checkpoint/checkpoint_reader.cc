#include "engine/checkpoint/checkpoint_reader.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "engine/base/file.h"
#include "engine/base/status_macros.h"
#include "engine/checkpoint/npz_file.h"

namespace strided {
namespace {

constexpr absl::string_view kZipStart("PK\x03\x04", 4);

absl::StatusOr<CheckpointKind> KindOf(const std::string& path) {
  ASSIGN_OR_RETURN(const ReadableFile file, ReadableFile::Open(path));
  std::array<char, kZipStart.size()> start = {};  // stays zero where the file is shorter
  if (pread(file.descriptor(), start.data(), start.size(), 0) < 0) {
    return absl::ErrnoToStatus(errno, path);
  }
  if (absl::string_view(start.data(), start.size()) == kZipStart) return CheckpointKind::kNpz;
  return absl::InvalidArgumentError(
      absl::StrCat(path, " is of no kind that is known; expected a .npz file"));
}

}  // namespace

absl::StatusOr<CheckpointKind> CheckpointKindFromName(absl::string_view name) {
  if (name == "auto") return CheckpointKind::kAuto;
  if (name == "npz") return CheckpointKind::kNpz;
  return absl::InvalidArgumentError(
      absl::StrCat("from is \"", absl::CHexEscape(name), "\"; expected auto or npz"));
}

absl::StatusOr<std::unique_ptr<ForeignCheckpoint>> OpenForeignCheckpoint(
    const std::string& path, const ReaderOptions& options) {
  if (options.kind == CheckpointKind::kAuto) {
    RETURN_IF_ERROR(KindOf(path).status());  // npz is the only kind so far
  }
  ASSIGN_OR_RETURN(NpzFile file, NpzFile::Open(path));
  ASSIGN_OR_RETURN(DistaugCheckpoint checkpoint,
                   DistaugCheckpoint::Open(std::move(file), options.distaug));
  return std::make_unique<DistaugCheckpoint>(std::move(checkpoint));
}

}  // namespace strided
