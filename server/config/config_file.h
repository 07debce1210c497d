// A configuration file, read but not yet understood.

#ifndef STRIDED_SERVER_CONFIG_CONFIG_FILE_H_
#define STRIDED_SERVER_CONFIG_CONFIG_FILE_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace strided {

// The values of each key, in the file's order; more than one for a list, or for a key that is there
// more than once.
using ConfigEntries = std::map<std::string, std::vector<std::string>>;

// Reads the TOML that settings need: `key = value` and `key = [value, ...]` with comments after #.
// A value is a "text" with C escapes, a 'text' as it stands, or a word without quotes; a list may
// go over lines. InvalidArgument "path:line: ..." for what is anything else, a section too; errors
// of reading as they come, with the path.
absl::StatusOr<ConfigEntries> ReadConfigFile(const std::string& path);

}  // namespace strided

#endif  // STRIDED_SERVER_CONFIG_CONFIG_FILE_H_
