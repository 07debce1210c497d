// The repository's own C++ and CUDA sources, as text.

#ifndef STRIDED_TESTS_ARCHITECTURE_SOURCE_TREE_H_
#define STRIDED_TESTS_ARCHITECTURE_SOURCE_TREE_H_

#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace strided {

struct SourceFile {
  std::string path;  // from the repository's root, with '/'
  std::string text;
};

struct Include {
  int line = 0;        // from 1
  std::string target;  // as written between the quotes or brackets
};

// Every source below the `folders` of `root`, ordered by path.
std::vector<SourceFile> ReadSources(const std::filesystem::path& root,
                                    std::span<const std::string> folders);

std::vector<Include> IncludesOf(const SourceFile& file);

// "engine/model" of "engine/model/config.h"; "" of a file in the root.
std::string FolderOf(const std::string& path);

// The lines of `text` with comments and the contents of literals blanked out.
std::vector<std::string> CodeLines(const std::string& text);

}  // namespace strided

#endif  // STRIDED_TESTS_ARCHITECTURE_SOURCE_TREE_H_
