// Scores many windows, several at a time.

#ifndef STRIDED_CLIENT_CPP_COMMAND_SCORE_RUN_H_
#define STRIDED_CLIENT_CPP_COMMAND_SCORE_RUN_H_

#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "client/cpp/client.h"
#include "client/cpp/command/score_windows.h"
#include "client/cpp/output/progress.h"
#include "strided/v1/sampling.pb.h"

namespace strided::client {

// A piece of one of the files. Of text for a model with a tokenizer, bytes; else tokens.
struct ScorePiece {
  size_t file = 0;  // index of its codes
  ScoreWindow window;
};

struct PieceScore {
  double log_prob = 0;  // natural
  size_t tokens = 0;    // that were scored
};

// Scores pieces of files, several at a time: made, run once, and done with. Run's own threads share
// it; the caller's waits for them.
class ScoreRun {
 public:
  // `base` is the request but for its sequence and score_from; codes[i] are the tokens of file i.
  // All pointees and `progress`, which may be null, outlive this.
  ScoreRun(const Client& client, const CallOptions& options, const v1::ScoreRequest& base,
           const std::vector<std::string>& codes, Progress* progress)
      : client_(client), options_(options), base_(base), codes_(codes), progress_(progress) {}

  // The score of each piece, in their order, with `parallel` calls in flight; the first error ends
  // it. The result does not depend on `parallel`. Text that the server finds to be more tokens than
  // the model's context is scored in parts, cut before white space.
  absl::StatusOr<std::vector<PieceScore>> Run(const std::vector<ScorePiece>& pieces, int parallel);

 private:
  // One thread's share: the next piece that nobody has, until there is none or an error.
  void Work(const std::vector<ScorePiece>& pieces) ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<PieceScore> ScorePieceOf(const ScorePiece& piece) const;

  const Client& client_;
  const CallOptions& options_;
  const v1::ScoreRequest& base_;
  const std::vector<std::string>& codes_;

  absl::Mutex mu_;
  Progress* const progress_ ABSL_PT_GUARDED_BY(mu_);
  size_t next_ ABSL_GUARDED_BY(mu_) = 0;
  std::vector<PieceScore> scores_ ABSL_GUARDED_BY(mu_);
  absl::Status status_ ABSL_GUARDED_BY(mu_);
};

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_COMMAND_SCORE_RUN_H_
