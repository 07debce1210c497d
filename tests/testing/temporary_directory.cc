#include "tests/testing/temporary_directory.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace strided {
namespace {

// mkdtemp and streams do not say more than this.
void Require(bool succeeded, absl::string_view path) {
  if (succeeded) return;
  std::cerr << "cannot write " << path << "\n";
  std::abort();
}

}  // namespace

TemporaryDirectory::TemporaryDirectory() {
  path_ = (std::filesystem::temp_directory_path() / "strided_XXXXXX").string();
  Require(mkdtemp(path_.data()) != nullptr, path_);
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;  // a leftover in the system's temporary directory harms no test
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryDirectory::Write(absl::string_view name, absl::string_view contents) const {
  std::string path = absl::StrCat(path_, "/", name);
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(contents.data(), static_cast<std::streamsize>(contents.size()));
  file.close();
  Require(!error && file.good(), path);
  return path;
}

}  // namespace strided
