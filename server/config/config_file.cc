#include "server/config/config_file.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "engine/base/file.h"
#include "engine/base/quoted.h"
#include "engine/base/status_macros.h"

namespace strided {
namespace {

constexpr int64_t kMaxConfigBytes = 1 << 20;
constexpr absl::string_view kSpace = " \t\r";
constexpr absl::string_view kEndOfWord = " \t\r\n,=#[]\"'";

// Takes a file apart from its start to its end. Every error names the line.
class Reader {
 public:
  explicit Reader(absl::string_view text) : rest_(text) {}

  absl::StatusOr<ConfigEntries> Read() {
    ConfigEntries entries;
    for (SkipLines(); !rest_.empty(); SkipLines()) {
      if (Next() == '[') return Wrong("a section; expected none");
      ASSIGN_OR_RETURN(const std::string key, ReadText());
      SkipSpace();
      if (!absl::ConsumePrefix(&rest_, "=")) {
        return Wrong(absl::StrCat("no = after ", Quoted(key)));
      }
      ASSIGN_OR_RETURN(std::vector<std::string> values, ReadValue());
      std::vector<std::string>& all = entries[key];
      std::move(values.begin(), values.end(), std::back_inserter(all));
      SkipSpace();
      if (!rest_.empty() && Next() != '\n' && Next() != '#') {
        return Wrong(absl::StrCat("more behind the value of ", key));
      }
    }
    return entries;
  }

 private:
  char Next() const { return rest_.empty() ? '\0' : rest_.front(); }

  void SkipSpace() {
    while (!rest_.empty() && kSpace.find(Next()) != absl::string_view::npos) {
      rest_.remove_prefix(1);
    }
  }

  // White space, comments, ends of lines.
  void SkipLines() {
    for (SkipSpace(); Next() == '#' || Next() == '\n'; SkipSpace()) {
      rest_.remove_prefix(std::min(rest_.find('\n'), rest_.size()));
      if (absl::ConsumePrefix(&rest_, "\n")) ++line_;
    }
  }

  // A text, or a list of texts, which may go over lines and end with a comma.
  absl::StatusOr<std::vector<std::string>> ReadValue() {
    std::vector<std::string> values;
    SkipSpace();
    if (!absl::ConsumePrefix(&rest_, "[")) {
      ASSIGN_OR_RETURN(values.emplace_back(), ReadText());
      return values;
    }
    for (SkipLines(); !absl::ConsumePrefix(&rest_, "]"); SkipLines()) {
      ASSIGN_OR_RETURN(values.emplace_back(), ReadText());
      SkipLines();
      if (!absl::ConsumePrefix(&rest_, ",") && Next() != ']') {
        return Wrong("neither , nor ] behind an element of a list");
      }
    }
    return values;
  }

  // "with C escapes", 'as it stands', or a word without quotes.
  absl::StatusOr<std::string> ReadText() {
    const char quote = Next();
    if (quote != '"' && quote != '\'') {
      const std::string word(rest_.substr(0, rest_.find_first_of(kEndOfWord)));
      rest_.remove_prefix(word.size());
      if (word.empty()) return Wrong("a text is missing");
      return word;
    }
    size_t end = 1;
    while (end < rest_.size() && rest_[end] != quote && rest_[end] != '\n') {
      end += quote == '"' && rest_[end] == '\\' ? 2 : 1;
    }
    if (end >= rest_.size() || rest_[end] != quote) return Wrong("a quote that does not end");
    const absl::string_view inside = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    if (quote == '\'') return std::string(inside);
    std::string text;
    if (!absl::CUnescape(inside, &text)) return Wrong("an escape that is none, such as \\q");
    return text;
  }

  absl::Status Wrong(absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat(line_, ": ", what));
  }

  absl::string_view rest_;
  int line_ = 1;
};

}  // namespace

absl::StatusOr<ConfigEntries> ReadConfigFile(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string contents, ReadSmallFile(path, kMaxConfigBytes));
  absl::StatusOr<ConfigEntries> entries = Reader(contents).Read();
  if (entries.ok()) return entries;
  return absl::InvalidArgumentError(absl::StrCat(path, ":", entries.status().message()));
}

}  // namespace strided
