// A model that keeps the promise that a client relies on: a token is a function of the seed, the
// sample and the position, so a resumed stream goes on with the same bytes.

#ifndef STRIDED_TESTS_CLIENT_CPP_FAKE_MODEL_H_
#define STRIDED_TESTS_CLIENT_CPP_FAKE_MODEL_H_

#include <grpcpp/support/status.h>
#include <grpcpp/support/sync_stream.h>

#include <cstdint>
#include <optional>
#include <string>

#include "strided/v1/sampling.pb.h"

namespace strided::client {

// The `count` tokens that sample `sample` generates after a prompt of `prompt_tokens`.
std::string FakeTokens(uint64_t seed, uint32_t sample, uint64_t prompt_tokens, uint64_t count);

// Where a stream ends before its time.
struct Break {
  int after_messages = 0;  // Started included
  grpc::Status status{grpc::StatusCode::UNAVAILABLE, "connection lost"};
};

// Answers as api.md says: Started, one Delta per token, samples in turn, Finished, Summary; the
// seed is 7 unless given. A resume is checked: INVALID_ARGUMENT where the tokens, the seed or the
// fingerprint are not those of the stream that broke.
grpc::Status StreamFakeModel(const v1::GenerateRequest& request,
                             grpc::ServerWriterInterface<v1::GenerateResponse>* writer,
                             std::optional<Break> where = std::nullopt);

}  // namespace strided::client

#endif  // STRIDED_TESTS_CLIENT_CPP_FAKE_MODEL_H_
