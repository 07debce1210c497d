// What strided.v1 says of a model, beside the names of its enums.

#ifndef STRIDED_SERVER_SERVICE_MODEL_DESCRIPTION_H_
#define STRIDED_SERVER_SERVICE_MODEL_DESCRIPTION_H_

#include "engine/model/config.h"
#include "server/repository/model_source.h"
#include "server/service/token_format.h"
#include "strided/v1/models.pb.h"
#include "strided/v1/sampling.pb.h"

namespace strided {

// All of these are pure and thread-safe.
// The wire's names; every value of ours has one.
v1::Modality WireModality(Modality modality);
v1::ModelState WireState(ModelState state);
// Height and width in pixels, channels per pixel.
v1::ImageLayout WireImage(const ImageShape& shape);
// `format` is that of the stream, or kRaw for the model's own codes.
v1::AudioLayout WireAudio(const AudioFormat& audio, TokenFormat format);

// Everything that GetModel says; only name, version and state of an entry that is not ready.
v1::Model DescribeModel(const ModelEntry& entry);

}  // namespace strided

#endif  // STRIDED_SERVER_SERVICE_MODEL_DESCRIPTION_H_
