// The tokens of one stream that wait for its reader, and when they should go.
//
// Coalescing by count and time: a sample's first tokens are due at once; later ones when
// `message_delay` has passed since the sample's last message, or when they fill a message. A token
// thus waits at most message_delay, and a sample that is slower than that never waits. What has
// gathered while a message is on its way goes with the next one.

#ifndef STRIDED_SERVER_SERVICE_MAILBOX_H_
#define STRIDED_SERVER_SERVICE_MAILBOX_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

#include "absl/time/time.h"
#include "server/scheduling/token_sink.h"
#include "server/service/stream_event.h"

namespace strided {

struct MailboxOptions {
  int message_tokens = 1024;   // >= 1; no batch holds more
  int capacity_tokens = 4096;  // >= 1; of all samples; from here on the mailbox is full
  absl::Duration message_delay = absl::ZeroDuration();  // >= 0
  bool log_probs = false;                               // whether they are kept
};

// Not thread-safe. Bounded by its user: it takes tokens beyond its capacity, of which a step in
// progress brings a few, and says that it is full.
class Mailbox {
 public:
  explicit Mailbox(const MailboxOptions& options) : options_(options) {}

  // A sample's positions come in order, without gaps, and none after its end.
  void Push(const PushedToken& token);
  void End(const SampleEnd& end);

  // No more comes: everything is due.
  void Close() { closed_ = true; }

  // Drops what is left.
  void Clear();

  // What is due at `now`, if anything, a TokenBatch or a SampleEnd: of several samples the one
  // whose last message is oldest. A sample's end follows its last tokens.
  std::optional<StreamEvent> Take(absl::Time now);

  // When something will be due that is not yet; InfiniteFuture where nothing waits.
  absl::Time NextDue() const;

  int tokens() const { return tokens_; }
  bool full() const { return tokens_ >= options_.capacity_tokens; }
  bool empty() const;  // neither tokens nor ends

 private:
  struct Sample {
    TokenBatch waiting;
    std::optional<SampleEnd> end;
    absl::Time last_message = absl::InfinitePast();
  };

  bool HasMail(const Sample& sample) const;
  absl::Time DueTime(const Sample& sample) const;
  TokenBatch TakeTokens(Sample& sample);

  const MailboxOptions options_;
  std::map<uint32_t, Sample> samples_;  // by sample index; gone once its end is taken
  int tokens_ = 0;                      // waiting, of all samples
  bool closed_ = false;
};

}  // namespace strided

#endif  // STRIDED_SERVER_SERVICE_MAILBOX_H_
