#include "client/cpp/bench/request_source.h"

#include <algorithm>
#include <random>

namespace strided::client {
namespace {

constexpr uint32_t kByteCodes = 256;

// Mixes the bits of two numbers, so that neighbours have nothing in common (the finalizer of
// MurmurHash3 over the first plus an odd multiple of the second).
uint64_t Mixed(uint64_t a, uint64_t b) {
  uint64_t x = a + (b + 1) * 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 33)) * 0xff51afd7ed558ccd;
  x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53;
  return x ^ (x >> 33);
}

}  // namespace

v1::Sequence RandomSequence(const v1::Model& model, uint64_t tokens, uint64_t seed,
                            uint64_t number) {
  v1::Sequence sequence;
  if (tokens == 0) return sequence;
  std::mt19937_64 random(Mixed(seed, number));
  std::uniform_int_distribution<uint32_t> id(0, std::max(1U, model.vocab_size()) - 1);
  const bool bytes = model.vocab_size() <= kByteCodes;
  for (uint64_t i = 0; i < tokens; ++i) {
    if (bytes) {
      sequence.mutable_raw()->push_back(static_cast<char>(id(random)));
    } else {
      sequence.mutable_ids()->add_ids(id(random));
    }
  }
  return sequence;
}

v1::GenerateRequest RequestSource::Generate(uint64_t number) const {
  v1::GenerateRequest request = base_;
  request.set_model(model_name());
  *request.mutable_prompt() = SequenceOf(number);
  return request;
}

v1::ScoreRequest RequestSource::Score(uint64_t number) const {
  v1::ScoreRequest request;
  request.set_model(model_name());
  *request.mutable_sequence() = SequenceOf(number);
  return request;
}

v1::Sequence RequestSource::SequenceOf(uint64_t number) const {
  if (!sequences_.codes.has_value()) {
    return RandomSequence(model_, sequences_.tokens, sequences_.seed, number);
  }
  v1::Sequence sequence;
  sequence.set_raw(*sequences_.codes);
  return sequence;
}

}  // namespace strided::client
