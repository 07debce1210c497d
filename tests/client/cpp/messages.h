// Messages of a Generate stream, made in one line each.

#ifndef STRIDED_TESTS_CLIENT_CPP_MESSAGES_H_
#define STRIDED_TESTS_CLIENT_CPP_MESSAGES_H_

#include <cstdint>
#include <string>

#include "strided/v1/sampling.pb.h"

namespace strided::client {

// Of a text model "bytes/1" with fingerprint "f1" and seed 7.
inline v1::GenerateResponse StartedMessage(uint32_t samples = 1, uint64_t prompt_tokens = 0) {
  v1::GenerateResponse message;
  v1::Started* started = message.mutable_started();
  started->set_request_id("r1");
  started->set_model("bytes");
  started->set_model_version("1");
  started->set_model_fingerprint("f1");
  started->set_modality(v1::MODALITY_TEXT);
  started->set_prompt_tokens(prompt_tokens);
  started->mutable_resolved()->set_seed(7);
  started->mutable_resolved()->set_samples(samples);
  return message;
}

inline v1::GenerateResponse DeltaMessage(uint32_t sample, uint64_t position,
                                         const std::string& raw) {
  v1::GenerateResponse message;
  message.mutable_delta()->set_sample_index(sample);
  message.mutable_delta()->set_first_position(position);
  message.mutable_delta()->set_raw(raw);
  return message;
}

inline v1::GenerateResponse FinishedMessage(uint32_t sample, uint64_t tokens) {
  v1::GenerateResponse message;
  message.mutable_finished()->set_sample_index(sample);
  message.mutable_finished()->set_reason(v1::FINISH_REASON_LENGTH);
  message.mutable_finished()->set_generated_tokens(tokens);
  return message;
}

inline v1::GenerateResponse SummaryMessage(int64_t decode_seconds = 1) {
  v1::GenerateResponse message;
  message.mutable_summary()->mutable_decode_time()->set_seconds(decode_seconds);
  return message;
}

}  // namespace strided::client

#endif  // STRIDED_TESTS_CLIENT_CPP_MESSAGES_H_
