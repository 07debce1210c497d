// What a job has for its sink, kept until the device is at work again.

#ifndef STRIDED_SERVER_SCHEDULING_OUTBOX_H_
#define STRIDED_SERVER_SCHEDULING_OUTBOX_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "server/scheduling/token_sink.h"

namespace strided {

// Tokens and ends of samples, in the order in which they came. Sent again and again, it keeps its
// memory. Of the scheduler thread alone.
class Outbox {
 public:
  // Copies what the spans show.
  void Push(const PushedToken& token);
  void FinishSample(SampleEnd end);

  bool empty() const { return tokens_.empty() && ends_.empty(); }
  size_t tokens() const { return tokens_.size(); }

  // Hands all of it to the sink, tokens that stand together in one call.
  void SendTo(TokenSink* sink);

 private:
  struct End {
    size_t place;  // how many tokens come before it
    SampleEnd end;
  };

  std::vector<PushedToken> tokens_;  // their spans: sizes alone, until they are sent
  std::vector<int32_t> top_ids_;     // of all tokens, one after the other
  std::vector<float> top_values_;    // the same
  std::vector<End> ends_;
};

}  // namespace strided

#endif  // STRIDED_SERVER_SCHEDULING_OUTBOX_H_
