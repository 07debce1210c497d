#include "tests/architecture/code_rules.h"

#include <regex>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace strided {
namespace {

// One finding per line of code that `offence` occurs in, shown as it stands in the file.
void CheckLines(const SourceFile& file, const std::regex& offence, const std::string& complaint,
                std::vector<std::string>& findings) {
  const std::vector<std::string> written = absl::StrSplit(file.text, '\n');
  const std::vector<std::string> code = CodeLines(file.text);
  for (size_t i = 0; i < code.size(); ++i) {
    if (!std::regex_search(code[i], offence)) continue;
    findings.push_back(absl::StrCat(file.path, ":", i + 1, ": ",
                                    absl::StripAsciiWhitespace(written[i]), ": ", complaint));
  }
}

void CheckTargets(const SourceFile& file, const std::regex& offence, const std::string& complaint,
                  std::vector<std::string>& findings) {
  for (const Include& include : IncludesOf(file)) {
    if (!std::regex_search(include.target, offence)) continue;
    findings.push_back(
        absl::StrCat(file.path, ":", include.line, ": ", include.target, ": ", complaint));
  }
}

}  // namespace

std::vector<std::string> CheckDeviceBoundary(std::span<const SourceFile> files) {
  static const std::regex kCode(
      R"(\b(cuda|cublas|cudnn|nccl)[A-Z]\w*)"
      R"(|\bCU(stream|device|context|module|function|result|event|array|tensorMap)\w*)"
      R"(|\b__(global|device|host|shared)__\b|<<<|^\s*#\s*(el)?if.*CUDA)");
  static const std::regex kHeaders(R"(^(cuda|cublas|cudnn|nccl|cooperative_groups|cub/|thrust/))");
  const std::string complaint = "nothing of CUDA may appear outside engine/cuda";
  std::vector<std::string> findings;
  for (const SourceFile& file : files) {
    if (absl::StartsWith(file.path, "engine/cuda/")) continue;
    CheckLines(file, kCode, complaint, findings);
    CheckTargets(file, kHeaders, complaint, findings);
  }
  return findings;
}

std::vector<std::string> CheckOwnership(std::span<const SourceFile> files) {
  static const std::regex kRaw(R"((^|[^\w])(new\s+[\w:(]|delete\s*(\[\s*\])?\s*[\w:(*]))");
  static const std::regex kOperator(R"(operator\s+(new|delete))");
  std::vector<std::string> findings;
  for (const SourceFile& file : files) {
    std::vector<std::string> found;
    CheckLines(file, kRaw, "own it with a value or std::make_unique", found);
    for (const std::string& finding : found) {
      if (!std::regex_search(finding, kOperator)) findings.push_back(finding);
    }
  }
  return findings;
}

std::vector<std::string> CheckEngineKnowsNoWire(std::span<const SourceFile> files) {
  static const std::regex kWire(R"(^(grpc|grpcpp|google)/|\.pb\.h$)");
  std::vector<std::string> findings;
  for (const SourceFile& file : files) {
    if (!absl::StartsWith(file.path, "engine/")) continue;
    CheckTargets(file, kWire, "the engine knows neither gRPC nor protobuf", findings);
  }
  return findings;
}

}  // namespace strided
