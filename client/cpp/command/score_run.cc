#include "client/cpp/command/score_run.h"

#include <thread>

namespace strided::client {

absl::StatusOr<std::vector<double>> ScoreRun::Run(const std::vector<ScorePiece>& pieces,
                                                  int parallel) {
  {
    absl::MutexLock lock(&mu_);
    log_probs_.assign(pieces.size(), 0);
    if (progress_ != nullptr) progress_->BeginRate();
  }
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < parallel; ++i) threads.emplace_back([this, &pieces] { Work(pieces); });
  }
  absl::MutexLock lock(&mu_);
  if (!status_.ok()) return status_;
  return log_probs_;
}

void ScoreRun::Work(const std::vector<ScorePiece>& pieces) {
  absl::MutexLock lock(&mu_);
  while (status_.ok() && next_ < pieces.size()) {
    const size_t index = next_++;
    mu_.Unlock();
    absl::StatusOr<double> log_prob = ScorePieceOf(pieces[index]);
    mu_.Lock();
    status_.Update(log_prob.status());
    if (!log_prob.ok()) return;
    log_probs_[index] = *log_prob;
    if (progress_ != nullptr) status_.Update(progress_->Add(pieces[index].window.scored()));
  }
}

absl::StatusOr<double> ScoreRun::ScorePieceOf(const ScorePiece& piece) const {
  const ScoreWindow& window = piece.window;
  v1::ScoreRequest request = base_;
  request.mutable_sequence()->set_raw(
      codes_[piece.file].substr(window.begin, window.end - window.begin));
  request.set_score_from(window.score_from);
  absl::StatusOr<Scores> scores = client_.Score(request, options_);
  if (!scores.ok()) return scores.status();
  return scores->total_log_prob;
}

}  // namespace strided::client
