#include "engine/checkpoint/zip_reader.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"

namespace strided {
namespace {

constexpr size_t kMostAtOnce = size_t{1} << 30;  // zlib counts in 32 bits
constexpr int kRawDeflate = -MAX_WBITS;          // without zlib's own header

template <typename... Parts>
absl::Status Invalid(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

}  // namespace

ZipReader::ZipReader(const ZipMember& member) : member_(member), left_(member.packed) {
  if (member.deflated) ready_ = inflateInit2(&stream_, kRawDeflate) == Z_OK;
}

ZipReader::~ZipReader() {
  if (ready_) inflateEnd(&stream_);
}

absl::StatusOr<size_t> ZipReader::InflateSome(std::span<std::byte> out) {
  if (stream_.avail_in == 0) {
    const size_t given = std::min(left_.size(), kMostAtOnce);
    // zlib reads through this pointer; its type is older than const.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(left_.data()));
    stream_.avail_in = static_cast<uInt>(given);
    left_ = left_.subspan(given);
  }
  const size_t room = std::min(out.size(), kMostAtOnce);
  stream_.next_out = reinterpret_cast<Bytef*>(out.data());
  stream_.avail_out = static_cast<uInt>(room);
  const int result = inflate(&stream_, Z_NO_FLUSH);
  const size_t made = room - stream_.avail_out;
  ended_ = result == Z_STREAM_END;
  if (result == Z_MEM_ERROR)
    return absl::ResourceExhaustedError("cannot be unpacked: no memory for zlib");
  const bool breaks_off = result == Z_BUF_ERROR || (result == Z_OK && made == 0 && left_.empty());
  if (breaks_off) {
    return Invalid("breaks off in its DEFLATE data, after ", read_ + static_cast<int64_t>(made),
                   " of ", member_.size, " bytes");
  }
  if (result != Z_OK && !ended_) {
    return Invalid("is not DEFLATE data: ", stream_.msg != nullptr ? stream_.msg : "broken");
  }
  return made;
}

absl::Status ZipReader::Inflate(std::span<std::byte> out) {
  if (!ready_) return absl::ResourceExhaustedError("cannot be unpacked: no memory for zlib");
  size_t filled = 0;
  while (filled < out.size()) {
    if (ended_) {
      return Invalid("unpacks to ", read_ + static_cast<int64_t>(filled), " bytes; expected ",
                     member_.size);
    }
    ASSIGN_OR_RETURN(const size_t made, InflateSome(out.subspan(filled)));
    filled += made;
  }
  return absl::OkStatus();
}

absl::Status ZipReader::Read(std::span<std::byte> out) {
  if (static_cast<int64_t>(out.size()) > member_.size - read_) {
    return Invalid("has ", member_.size, " bytes; expected at least ",
                   read_ + static_cast<int64_t>(out.size()));
  }
  if (out.empty()) return absl::OkStatus();
  if (member_.deflated) {
    RETURN_IF_ERROR(Inflate(out));
  } else {
    std::memcpy(out.data(), left_.data(), out.size());
    left_ = left_.subspan(out.size());
  }
  read_ += static_cast<int64_t>(out.size());
  crc32_ = static_cast<uint32_t>(
      crc32_z(crc32_, reinterpret_cast<const Bytef*>(out.data()), out.size()));
  return absl::OkStatus();
}

absl::Status ZipReader::Finish() {
  if (read_ != member_.size) {
    return Invalid("has ", member_.size, " bytes; expected ", read_);
  }
  // zlib may have given the last byte without having looked at the mark behind it.
  while (member_.deflated && !ended_) {
    if (!ready_) return absl::ResourceExhaustedError("cannot be unpacked: no memory for zlib");
    std::array<std::byte, 1> excess;
    ASSIGN_OR_RETURN(const size_t made, InflateSome(excess));
    if (made > 0) {
      return Invalid("unpacks to more bytes than its zip directory says; expected ", member_.size);
    }
  }
  const size_t unused = left_.size() + stream_.avail_in;
  if (unused > 0) {
    return Invalid("has ", unused, " packed bytes behind its end; expected none");
  }
  if (crc32_ != member_.crc32) {
    return Invalid("has the checksum ", absl::Hex(crc32_, absl::kZeroPad8), "; expected ",
                   absl::Hex(member_.crc32, absl::kZeroPad8));
  }
  return absl::OkStatus();
}

}  // namespace strided
