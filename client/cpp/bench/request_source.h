// The requests of a load.

#ifndef STRIDED_CLIENT_CPP_BENCH_REQUEST_SOURCE_H_
#define STRIDED_CLIENT_CPP_BENCH_REQUEST_SOURCE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "strided/v1/models.pb.h"
#include "strided/v1/sampling.pb.h"

namespace strided::client {

// The prompt of request `number` of a load with this seed, or the sequence that it scores: `tokens`
// tokens, each of the model's ids with the same probability; bytes where the model's tokens are
// bytes. Every request has another one, so that no cache of prompts helps; the same seed repeats
// them all. No data at all for 0 tokens.
v1::Sequence RandomSequence(const v1::Model& model, uint64_t tokens, uint64_t seed,
                            uint64_t number);

// Makes the requests. Immutable, and so safe to share between threads.
class RequestSource {
 public:
  struct Sequences {
    uint64_t tokens = 0;                              // of random ones
    uint64_t seed = 1;                                // of random ones
    std::optional<std::string> codes = std::nullopt;  // the one that all requests have instead
  };

  // `model` is asked for by name and version. `base` has what all requests share: sampling, output.
  RequestSource(v1::Model model, Sequences sequences, v1::GenerateRequest base)
      : model_(std::move(model)), sequences_(std::move(sequences)), base_(std::move(base)) {}

  // Request `number` of the load, counted from 0.
  v1::GenerateRequest Generate(uint64_t number) const;
  v1::ScoreRequest Score(uint64_t number) const;

 private:
  v1::Sequence SequenceOf(uint64_t number) const;
  std::string model_name() const { return model_.name() + "/" + model_.version(); }

  const v1::Model model_;
  const Sequences sequences_;
  const v1::GenerateRequest base_;
};

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_BENCH_REQUEST_SOURCE_H_
