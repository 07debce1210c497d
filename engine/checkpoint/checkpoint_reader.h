// Which reader takes which files.

#ifndef STRIDED_ENGINE_CHECKPOINT_CHECKPOINT_READER_H_
#define STRIDED_ENGINE_CHECKPOINT_CHECKPOINT_READER_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "engine/checkpoint/distaug_checkpoint.h"
#include "engine/checkpoint/foreign_checkpoint.h"

namespace strided {

enum class CheckpointKind {
  kAuto,  // what the file's first bytes say
  kNpz,   // distribution augmentation's (distaug_checkpoint.h)
};

// From the name on the command line, "auto" or "npz"; InvalidArgument for any other.
absl::StatusOr<CheckpointKind> CheckpointKindFromName(absl::string_view name);

struct ReaderOptions {
  CheckpointKind kind = CheckpointKind::kAuto;
  DistaugOptions distaug;  // for kNpz
};

// Opens the checkpoint at `path`. NotFound where there is none, InvalidArgument where it is of no
// kind that is known, or the reader of its kind refuses it; the text starts with the path.
absl::StatusOr<std::unique_ptr<ForeignCheckpoint>> OpenForeignCheckpoint(
    const std::string& path, const ReaderOptions& options);

}  // namespace strided

#endif  // STRIDED_ENGINE_CHECKPOINT_CHECKPOINT_READER_H_
