#include "tests/architecture/source_tree.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <sstream>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace strided {
namespace {

namespace fs = std::filesystem;

bool IsSource(const fs::path& path) {
  static const std::set<std::string> kExtensions = {".h", ".cc", ".cu", ".cuh", ".inl"};
  return kExtensions.contains(path.extension().string());
}

std::string Contents(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// The index after the comment or literal that begins at `start`; `start` where none does.
size_t EndOfNonCode(std::string_view text, size_t start) {
  const std::string_view rest = text.substr(start);
  const auto after = [&](std::string_view closing, size_t from) {
    const size_t found = text.find(closing, from);
    return found == std::string_view::npos ? text.size() : found + closing.size();
  };
  if (rest.starts_with("//")) return std::min(text.find('\n', start), text.size());
  if (rest.starts_with("/*")) return after("*/", start + 2);
  if (rest.starts_with("R\"")) {
    const size_t open = text.find('(', start);
    if (open == std::string_view::npos) return start;
    return after(absl::StrCat(")", std::string(text.substr(start + 2, open - start - 2)), "\""),
                 open);
  }
  // 1'000'000 holds no character literal.
  const bool in_number =
      start > 0 && absl::ascii_isxdigit(static_cast<unsigned char>(text[start - 1]));
  if (rest.front() != '"' && (rest.front() != '\'' || in_number)) return start;
  size_t end = start + 1;
  while (end < text.size() && text[end] != rest.front() && text[end] != '\n') {
    end += text[end] == '\\' ? 2 : 1;
  }
  return std::min(end + 1, text.size());
}

}  // namespace

std::vector<SourceFile> ReadSources(const fs::path& root, std::span<const std::string> folders) {
  std::vector<SourceFile> files;
  for (const std::string& folder : folders) {
    if (!fs::exists(root / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      if (!entry.is_regular_file() || !IsSource(entry.path())) continue;
      files.push_back(
          {entry.path().lexically_relative(root).generic_string(), Contents(entry.path())});
    }
  }
  std::sort(files.begin(), files.end(),
            [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; });
  return files;
}

std::vector<Include> IncludesOf(const SourceFile& file) {
  static const std::regex kInclude(R"re(^\s*#\s*include\s*["<]([^">]+)[">].*)re");
  std::vector<Include> includes;
  std::istringstream lines(file.text);
  std::string line;
  std::smatch match;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (std::regex_match(line, match, kInclude)) includes.push_back({number, match[1]});
  }
  return includes;
}

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

std::vector<std::string> CodeLines(const std::string& text) {
  std::string code = text;
  for (size_t i = 0; i < text.size();) {
    const size_t end = EndOfNonCode(text, i);
    for (size_t blank = i; blank < end; ++blank) {
      if (code[blank] != '\n') code[blank] = ' ';
    }
    i = std::max(end, i + 1);
  }
  std::vector<std::string> lines;
  std::istringstream stream(code);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

}  // namespace strided
