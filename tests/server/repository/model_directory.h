// Model directories on disk, as tests of the repository need them.

#ifndef STRIDED_TESTS_SERVER_REPOSITORY_MODEL_DIRECTORY_H_
#define STRIDED_TESTS_SERVER_REPOSITORY_MODEL_DIRECTORY_H_

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "tests/testing/config_text.h"
#include "tests/testing/random_model.h"
#include "tests/testing/safetensors_writer.h"
#include "tests/testing/temporary_directory.h"

namespace strided {

// Writes a random model of SmallConfig(overrides) to `<root>/<place>`, e.g. "text/1".
inline void WriteModel(const TemporaryDirectory& root, absl::string_view place,
                       absl::string_view overrides = "{}", uint64_t seed = 1,
                       DType dtype = DType::kFloat32) {
  root.Write(absl::StrCat(place, "/config.json"), SmallConfigText(overrides));
  root.Write(absl::StrCat(place, "/model.safetensors"),
             SafetensorsFile(RandomTensors(SmallConfig(overrides), seed, dtype)));
}

}  // namespace strided

#endif  // STRIDED_TESTS_SERVER_REPOSITORY_MODEL_DIRECTORY_H_
