// The command line of `stride-convert`, taken apart and checked.

#ifndef STRIDED_ENGINE_CHECKPOINT_CONVERT_ARGUMENTS_H_
#define STRIDED_ENGINE_CHECKPOINT_CONVERT_ARGUMENTS_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/checkpoint/checkpoint_reader.h"
#include "engine/checkpoint/converter.h"

namespace strided {

struct ConvertArguments {
  std::string source;     // the foreign file
  std::string directory;  // "<DEST>/<version>", to be made
  ReaderOptions reader;
  ConversionOptions conversion;
  // To --help or --version: the text to print, and nothing else is to be done.
  std::optional<std::string> answer;
};

// From what follows the program's name. InvalidArgument, with the argument, what was found and what
// was expected. The parser's exceptions end here.
absl::StatusOr<ConvertArguments> ParseConvertArguments(std::vector<std::string> arguments);

}  // namespace strided

#endif  // STRIDED_ENGINE_CHECKPOINT_CONVERT_ARGUMENTS_H_
