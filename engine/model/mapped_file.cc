#include "engine/model/mapped_file.h"

#include <sys/mman.h>

#include <cerrno>

#include "absl/status/status.h"
#include "engine/base/file.h"
#include "engine/base/status_macros.h"

namespace strided {

absl::StatusOr<MappedFile> MappedFile::Open(const std::string& path) {
  ASSIGN_OR_RETURN(const ReadableFile file, ReadableFile::Open(path));
  const size_t size = static_cast<size_t>(file.size());
  if (size == 0) return MappedFile({});  // the system refuses to map nothing
  void* address = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.descriptor(), 0);
  if (address == MAP_FAILED) return absl::ErrnoToStatus(errno, path);
  // Loading reads it all, once, from the front; a refusal of this advice changes nothing.
  madvise(address, size, MADV_WILLNEED);
  return MappedFile({static_cast<const std::byte*>(address), size});
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace strided
