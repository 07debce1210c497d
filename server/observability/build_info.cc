#include "server/observability/build_info.h"

namespace strided {

// CMakeLists.txt defines both.
absl::string_view BuildVersion() { return STRIDED_BUILD_VERSION; }
absl::string_view BuildCompiler() { return STRIDED_BUILD_COMPILER; }

}  // namespace strided
