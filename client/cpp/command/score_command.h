// `stride score`: how well a model predicts files, in bits per token.

#ifndef STRIDED_CLIENT_CPP_COMMAND_SCORE_COMMAND_H_
#define STRIDED_CLIENT_CPP_COMMAND_SCORE_COMMAND_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/cpp/command/command.h"
#include "client/cpp/command/connection_arguments.h"
#include "client/cpp/command/score_run.h"
#include "strided/v1/models.pb.h"

namespace strided::client {

// The result over all files.
struct ScoreTotals {
  size_t tokens = 0;
  size_t windows = 0;
  double log_prob = 0;  // natural, summed in the order of the windows
  absl::Duration elapsed;
};

// What one token of the model is called: "byte", "dimension", "sample", "token".
std::string TokenUnit(const v1::Model& model);

// How a file that is longer than the model's context is cut (score_windows.h).
struct WindowChoice {
  std::optional<uint32_t> window = std::nullopt;   // tokens; unset: the model's context
  std::optional<uint32_t> overlap = std::nullopt;  // tokens; unset: none
};

// The pieces of a file of `length` codes. Images are scored one by one. A UsageError where
// --window and --overlap do not fit the model, or the file is no whole number of images.
absl::StatusOr<std::vector<ScoreWindow>> WindowsOf(size_t length, const WindowChoice& choice,
                                                   const v1::Model& model);

// `stride score`: bits per token of files, every token counted once.
class ScoreCommand final : public Command {
 public:
  void AddTo(CLI::App* program) override;
  absl::Status Run(const Console& console) override;

 private:
  struct Numbers {
    WindowChoice windows;
    int parallel = 4;
  };
  // UsageErrors name the flag.
  absl::StatusOr<Numbers> ParseNumbers() const;

  // What is to be scored: the files' codes, cut into pieces.
  struct Input {
    v1::ScoreRequest base;
    std::vector<std::string> codes;
    std::vector<ScorePiece> pieces;
    size_t tokens = 0;
    int parallel = 1;
  };
  absl::StatusOr<Input> Prepare(const v1::Model& model, const Numbers& numbers) const;
  absl::StatusOr<std::vector<std::string>> ReadCodes(const v1::Model& model) const;
  absl::StatusOr<ScoreTotals> Score(const Client& client, const CallOptions& options,
                                    const Input& input, const Console& console) const;
  std::string Report(const ScoreTotals& totals, const v1::Model& model) const;

  ConnectionArguments connection_{""};
  std::vector<std::string> files_;
  std::string model_;
  std::vector<std::string> conditions_;
  std::optional<std::string> window_;
  std::optional<std::string> overlap_;
  std::optional<std::string> parallel_;
  bool json_ = false;
  bool quiet_ = false;
};

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_COMMAND_SCORE_COMMAND_H_
