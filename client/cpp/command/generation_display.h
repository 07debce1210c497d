// A generation as the user sees it: renderers for what comes, progress while it comes, a line about
// it at the end.

#ifndef STRIDED_CLIENT_CPP_COMMAND_GENERATION_DISPLAY_H_
#define STRIDED_CLIENT_CPP_COMMAND_GENERATION_DISPLAY_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/cpp/command/console.h"
#include "client/cpp/command/output_choice.h"
#include "client/cpp/output/live_lines.h"
#include "client/cpp/output/progress.h"
#include "client/cpp/output/renderer.h"
#include "strided/v1/sampling.pb.h"

namespace strided::client {

// Used by one thread. Knows nothing of the network.
class GenerationDisplay {
 public:
  // `prompt`: the tokens that were sent, for images. `console` outlives this.
  GenerationDisplay(OutputArguments arguments, std::string prompt, const Console& console);

  // The next event. UsageError where the output that was asked for does not fit the model or
  // cannot be opened; this comes with Started, before anything is made.
  absl::Status Show(const v1::GenerateResponse& event);

  // After the last event, and after an error: completes files with what has come, cleans the
  // terminal up, and says what was made. `outcome` is what ended the generation; returns it, or the
  // first error here where that is OK.
  absl::Status End(absl::Status outcome);

 private:
  absl::Status Begin(const v1::Started& started);
  absl::Status AddRenderers(const v1::Started& started, Format format);
  absl::StatusOr<std::unique_ptr<Renderer>> MakeImageRenderer(
      const v1::Started& started, std::vector<std::unique_ptr<ByteSink>> files);
  absl::Status ShowProgress(const v1::GenerateResponse& event);
  std::string ClosingLine() const;

  // Whether what streams to standard output would tear the live lines.
  bool SharesTerminal(Format format) const;

  const OutputArguments arguments_;
  const std::string prompt_;
  const Console& console_;
  LiveLines lines_;
  std::optional<v1::Started> started_;
  std::optional<Progress> progress_;
  std::vector<std::unique_ptr<Renderer>> renderers_;
  std::string path_;  // of the samples, before numbering; empty where none is written
  bool progress_stops_at_output_ = false;
  uint64_t generated_tokens_ = 0;
  std::optional<v1::Finished> last_finished_;
  bool complete_ = false;  // whether the summary has come
};

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_COMMAND_GENERATION_DISPLAY_H_
