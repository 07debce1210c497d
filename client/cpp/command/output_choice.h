// What a generation's output becomes, and where it goes.

#ifndef STRIDED_CLIENT_CPP_COMMAND_OUTPUT_CHOICE_H_
#define STRIDED_CLIENT_CPP_COMMAND_OUTPUT_CHOICE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "client/cpp/output/byte_sink.h"
#include "strided/v1/sampling.pb.h"

namespace strided::client {

enum class Format {
  kNone,  // nothing but what --json prints
  kText,  // to standard output, as people read it
  kPng,
  kWav,
  kRaw,  // the stream's bytes
};

// As given on the command line; empty where it is not.
struct OutputArguments {
  std::string path = "";      // --output; "-" is standard output
  std::string format = "";    // --format: "png", "wav", "raw"
  std::string sheet = "";     // --sheet
  std::string clusters = "";  // --clusters
  bool json = false;
  bool quiet = false;
  bool no_preview = false;
};

// The format that the arguments mean for a model of this modality: --format, else the path's
// extension, else what is natural: text to standard output, PNG, WAV. "-" is raw unless --format
// says otherwise. A UsageError where the format is unknown or not the modality's.
absl::StatusOr<Format> ChooseFormat(const OutputArguments& arguments, v1::Modality modality);

// The path of sample `index` of `samples`: "a.png", or "a-0.png", "a-1.png", ... of several.
std::string SamplePath(const std::string& path, uint32_t index, uint32_t samples);

// Where the samples go, before numbering: the path that was given, else standard output ("-") for
// text and "<model>-<seed>.png" for what is not. Empty where no file is written.
std::string OutputPath(const OutputArguments& arguments, const v1::Started& started, Format format);

// A sink for each sample, files opened. A UsageError where one cannot be, or where several samples
// would share standard output. `out` outlives the sinks.
absl::StatusOr<std::vector<std::unique_ptr<ByteSink>>> OpenSamples(const std::string& path,
                                                                   uint32_t samples, ByteSink* out);

}  // namespace strided::client

#endif  // STRIDED_CLIENT_CPP_COMMAND_OUTPUT_CHOICE_H_
