#include "client/cpp/command/score_run.h"

#include <algorithm>
#include <optional>
#include <string>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "client/cpp/error_details.h"

namespace strided::client {

namespace {

// Where text of `tokens` tokens is cut so that its first part is about `limit` tokens: before white
// space if there is some in the last quarter, else between characters. In [1, size).
size_t CutOf(absl::string_view text, double tokens, double limit) {
  const double share = std::min(limit / tokens, 1.0) * 0.9;  // tokens are not spread evenly
  const auto wanted = static_cast<size_t>(static_cast<double>(text.size()) * share);
  const size_t most = std::clamp(wanted, size_t{1}, text.size() - 1);
  for (size_t cut = most; cut > most - most / 4; --cut) {
    if (text[cut] == ' ' || text[cut] == '\n') return cut;
  }
  size_t cut = most;
  while (cut > 1 && (static_cast<uint8_t>(text[cut]) & 0xC0u) == 0x80u) --cut;
  return cut;
}

// How many tokens the server found in text that is too long, and how many it takes.
struct Excess {
  double given = 0;
  double limit = 0;
};
std::optional<Excess> ExcessOf(const absl::Status& status) {
  ErrorDetails details = DetailsOf(status);
  Excess excess;
  if (details.reason == "CONTEXT_LENGTH_EXCEEDED" &&
      absl::SimpleAtod(details.metadata["given"], &excess.given) &&
      absl::SimpleAtod(details.metadata["limit"], &excess.limit) && excess.given > excess.limit) {
    return excess;
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<std::vector<PieceScore>> ScoreRun::Run(const std::vector<ScorePiece>& pieces,
                                                      int parallel) {
  {
    absl::MutexLock lock(&mu_);
    scores_.assign(pieces.size(), {});
    if (progress_ != nullptr) progress_->BeginRate();
  }
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < parallel; ++i) threads.emplace_back([this, &pieces] { Work(pieces); });
  }
  absl::MutexLock lock(&mu_);
  if (!status_.ok()) return status_;
  return scores_;
}

void ScoreRun::Work(const std::vector<ScorePiece>& pieces) {
  absl::MutexLock lock(&mu_);
  while (status_.ok() && next_ < pieces.size()) {
    const size_t index = next_++;
    mu_.Unlock();
    absl::StatusOr<PieceScore> score = ScorePieceOf(pieces[index]);
    mu_.Lock();
    status_.Update(score.status());
    if (!score.ok()) return;
    scores_[index] = *score;
    if (progress_ != nullptr) status_.Update(progress_->Add(pieces[index].window.scored()));
  }
}

absl::StatusOr<PieceScore> ScoreRun::ScorePieceOf(const ScorePiece& piece) const {
  PieceScore sum;
  ScoreWindow window = piece.window;
  while (window.begin < piece.window.end) {
    v1::ScoreRequest request = base_;
    const std::string codes = codes_[piece.file].substr(window.begin, window.end - window.begin);
    request.mutable_sequence()->set_raw(codes);
    request.set_score_from(window.score_from);
    absl::StatusOr<Scores> scores = client_.Score(request, options_);
    const std::optional<Excess> excess = ExcessOf(scores.status());
    if (excess.has_value() && codes.size() > 1) {
      window.end = window.begin + CutOf(codes, excess->given, excess->limit);
      continue;
    }
    if (!scores.ok()) return scores.status();
    sum.log_prob += scores->total_log_prob;
    sum.tokens += static_cast<size_t>(scores->log_probs.chosen_size());
    window = {.begin = window.end, .end = piece.window.end, .score_from = 0};
  }
  return sum;
}

}  // namespace strided::client
