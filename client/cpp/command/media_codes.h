// Files of the user's as tokens of a model.

#ifndef STRIDED_CLIENT_CPP_COMMAND_MEDIA_CODES_H_
#define STRIDED_CLIENT_CPP_COMMAND_MEDIA_CODES_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/cpp/client.h"
#include "strided/v1/models.pb.h"

namespace strided::client {

// Whether the file's bytes are tokens only after decoding: PNG and WAV.
bool NeedsDecoding(absl::string_view file);

// The whole file as `model` reads it: a PNG image as raster-order channels, its width and at most
// its height the model's; a WAV file as audio codes, its rate the model's; anything else as it is.
// A UsageError names what does not fit.
absl::StatusOr<std::string> CodesOf(const std::string& file, const v1::Model& model);

// The prompt that a file makes: as CodesOf, of a PNG image only the top `rows`: if unset, half of
// the model's height, or all where the file is no higher than that. A UsageError where rows are
// given for something else, or leave nothing to generate.
absl::StatusOr<std::string> PromptOf(const std::string& file, std::optional<uint32_t> rows,
                                     const v1::Model& model);

// The model that `name` ("name" or "name/version") means; empty: the only one that is served. A
// UsageError with the choices where the name is needed; else the server's errors.
absl::StatusOr<v1::Model> FindModel(const Client& client, const std::string& name,
                                    const CallOptions& options);

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_COMMAND_MEDIA_CODES_H_
