// Stream events -> strided.v1.GenerateResponse.

#ifndef STRIDED_SERVER_SERVICE_GENERATE_ENCODER_H_
#define STRIDED_SERVER_SERVICE_GENERATE_ENCODER_H_

#include <cstdint>
#include <optional>

#include "engine/model/config.h"
#include "engine/text/tokenizer.h"
#include "server/service/stream_event.h"
#include "server/service/token_format.h"
#include "strided/v1/sampling.pb.h"

namespace strided {

// Turns the events of one stream into its messages, and numbers them from 0. Not thread-safe; one
// event at a time, in the stream's order.
class GenerateEncoder {
 public:
  struct Options {
    TokenFormat format = TokenFormat::kRaw;
    AudioEncoding audio_encoding = AudioEncoding::kMulaw;  // of the model, for kPcm16
    const Tokenizer* tokenizer = nullptr;                  // of the model, for kText; not owned
    int given = 0;  // tokens of the prompt before the job's (SequenceStart)
    // The one that is given, where the prompt is echoed: it goes before each sample's first tokens,
    // with 0, the logarithm of 1, for its log-probability.
    std::optional<int32_t> echoed = std::nullopt;
  };
  // `started` is what an Opening says.
  GenerateEncoder(v1::Started started, const Options& options);

  // The message for `event`, with the next number. An Opening gives Started away, so there is one.
  v1::GenerateResponse Encode(StreamEvent event);

 private:
  v1::Delta EncodeTokens(TokenBatch batch) const;
  v1::Finished EncodeEnd(const SampleEnd& end) const;

  v1::Started started_;
  const Options options_;
  uint64_t next_index_ = 0;
};

}  // namespace strided

#endif  // STRIDED_SERVER_SERVICE_GENERATE_ENCODER_H_
