// What no line of production code may hold. Comments and literals do not count.
//
// Each function returns one finding per offending line, empty where all is well.

#ifndef STRIDED_TESTS_ARCHITECTURE_CODE_RULES_H_
#define STRIDED_TESTS_ARCHITECTURE_CODE_RULES_H_

#include <span>
#include <string>
#include <vector>

#include "tests/architecture/source_tree.h"

namespace strided {

// CUDA's types, functions and headers, and preprocessor conditions on CUDA, outside engine/cuda.
std::vector<std::string> CheckDeviceBoundary(std::span<const SourceFile> files);

// `new` and `delete`; deleted functions and overloaded operators are none.
std::vector<std::string> CheckOwnership(std::span<const SourceFile> files);

// gRPC and protobuf in the engine.
std::vector<std::string> CheckEngineKnowsNoWire(std::span<const SourceFile> files);

}  // namespace strided

#endif  // STRIDED_TESTS_ARCHITECTURE_CODE_RULES_H_
