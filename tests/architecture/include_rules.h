// Who may include whom: the table of the architecture, and what follows from it.
//
// Each function returns one finding per offence, empty where all is well: the offending line first,
// then what would be right.

#ifndef STRIDED_TESTS_ARCHITECTURE_INCLUDE_RULES_H_
#define STRIDED_TESTS_ARCHITECTURE_INCLUDE_RULES_H_

#include <span>
#include <string>
#include <vector>

#include "tests/architecture/source_tree.h"

namespace strided {

using Findings = std::vector<std::string>;

// Includes that the table does not allow, and sources in folders that it does not know.
Findings CheckIncludes(std::span<const SourceFile> files);

// Folders that include each other, directly or in a circle, with a line for each step.
Findings CheckFolderCycles(std::span<const SourceFile> files);

// The folders of the longest chain of includes, lowest last. Requires that there are no cycles.
std::vector<std::string> LongestChain(std::span<const SourceFile> files);

}  // namespace strided

#endif  // STRIDED_TESTS_ARCHITECTURE_INCLUDE_RULES_H_
