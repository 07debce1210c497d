#include "tests/architecture/include_rules.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace strided {
namespace {

struct Row {
  std::string folder;
  std::vector<std::string> may_include;
  bool with_subfolders = false;  // that the row speaks for too
};

// "engine" is the folder itself: step.h and executor.h. "server" is main.cc and server.{h,cc}.
// "proto" is what protoc generates. A folder may always include itself.
//
// The design's table, with two rows written out: engine/base (status, error details, clock) serves
// server/service and server too, and server/service names the engine's types that a Job and a
// ServedModel are made of: ModelConfig and SamplingParameters.
const std::vector<Row>& Table() {
  static const std::vector<std::string> kBelowExecutors = {"engine/base",       "engine/model",
                                                           "engine/checkpoint", "engine/cache",
                                                           "engine/sampling",   "engine"};
  static const std::vector<Row> kTable = {
      {"engine/base", {}},
      {"engine/model", {"engine/base"}},
      {"engine/checkpoint", {"engine/base", "engine/model"}},
      {"engine/text", {"engine/base", "engine/model"}},
      {"engine/cache", {"engine/base", "engine/model"}},
      {"engine/sampling", {"engine/base"}},
      {"engine", {"engine/base", "engine/model", "engine/cache", "engine/sampling"}},
      {"engine/cpu", kBelowExecutors, true},
      {"engine/cuda", kBelowExecutors, true},
      {"server/config", {"engine/base"}},
      {"server/observability", {"engine/base"}},
      {"server/security", {"engine/base", "server/config"}},
      {"server/scheduling",
       {"engine/base", "engine/model", "engine/cache", "engine/sampling", "engine",
        "server/observability"}},
      {"server/repository",
       {"engine/base", "engine/model", "engine/checkpoint", "engine/text", "engine/cache",
        "engine/sampling", "engine", "engine/cpu", "engine/cuda", "server/scheduling",
        "server/observability"}},
      {"server/service",
       {"proto", "engine/base", "engine/model", "engine/text", "engine/sampling",
        "server/repository", "server/scheduling", "server/security", "server/observability"}},
      {"server",
       {"engine/base", "server/config", "server/observability", "server/security",
        "server/repository", "server/scheduling", "server/service"}},
      {"client", {"proto"}, true},
  };
  return kTable;
}

bool IsWithin(const std::string& folder, const std::string& ancestor) {
  return folder == ancestor || absl::StartsWith(folder, absl::StrCat(ancestor, "/"));
}

// Null where the table does not know the folder.
const Row* RowOf(const std::string& folder) {
  for (const Row& row : Table()) {
    if (row.folder == folder || (row.with_subfolders && IsWithin(folder, row.folder))) return &row;
  }
  return nullptr;
}

// The row's name of what an include reaches: "proto" for generated code, "" for what is not ours.
std::string Component(const std::string& target) {
  for (const char* generated : {"strided/", "inference/", "google/rpc/", "proto/"}) {
    if (absl::StartsWith(target, generated)) return "proto";
  }
  std::string folder = FolderOf(target);
  if (const Row* row = RowOf(folder); row != nullptr) return row->folder;
  for (const char* ours : {"engine", "server", "client", "tests"}) {
    if (IsWithin(folder, ours)) return folder;
  }
  return "";
}

std::string LineOf(const SourceFile& file, const Include& include) {
  return absl::StrCat(file.path, ":", include.line, ": #include \"", include.target, "\"");
}

void CheckInclude(const Row& row, const SourceFile& file, const Include& include,
                  Findings& findings) {
  const std::string component = Component(include.target);
  if (component.empty() || component == row.folder) return;
  if (std::find(row.may_include.begin(), row.may_include.end(), component) !=
      row.may_include.end()) {
    return;
  }
  findings.push_back(absl::StrCat(LineOf(file, include), ": ", row.folder, " may include only {",
                                  absl::StrJoin(row.may_include, ", "), "}"));
}

// folder -> folder -> one line that makes the edge
using Graph = std::map<std::string, std::map<std::string, std::string>>;

Graph FolderGraph(std::span<const SourceFile> files) {
  std::set<std::string> paths;
  for (const SourceFile& file : files) paths.insert(file.path);
  Graph graph;
  for (const SourceFile& file : files) {
    auto& edges = graph[FolderOf(file.path)];
    for (const Include& include : IncludesOf(file)) {
      const std::string target = FolderOf(include.target);
      if (!paths.contains(include.target) || target == FolderOf(file.path)) continue;
      edges.try_emplace(target, LineOf(file, include));
    }
  }
  return graph;
}

// Depth-first search; `path` is the chain that leads to `folder`, `done` what is known to be free.
void FindCycles(const Graph& graph, const std::string& folder, std::vector<std::string>& path,
                std::set<std::string>& done, Findings& findings) {
  const auto start = std::find(path.begin(), path.end(), folder);
  if (start != path.end()) {
    std::vector<std::string> lines;
    for (auto step = start; step != path.end(); ++step) {
      const std::string& next = step + 1 == path.end() ? folder : *(step + 1);
      lines.push_back(graph.at(*step).at(next));
    }
    findings.push_back(absl::StrCat("folders include each other: ", absl::StrJoin(lines, "; ")));
    return;
  }
  if (!done.insert(folder).second) return;
  path.push_back(folder);
  for (const auto& [next, line] : graph.at(folder)) FindCycles(graph, next, path, done, findings);
  path.pop_back();
}

std::vector<std::string> ChainFrom(const Graph& graph, const std::string& folder,
                                   std::map<std::string, std::vector<std::string>>& known) {
  const auto found = known.find(folder);
  if (found != known.end()) return found->second;
  std::vector<std::string> longest;
  for (const auto& [next, line] : graph.at(folder)) {
    const std::vector<std::string> chain = ChainFrom(graph, next, known);
    if (chain.size() > longest.size()) longest = chain;
  }
  longest.insert(longest.begin(), folder);
  return known[folder] = longest;
}

}  // namespace

Findings CheckIncludes(std::span<const SourceFile> files) {
  Findings findings;
  std::set<std::string> unknown;
  for (const SourceFile& file : files) {
    const std::string folder = FolderOf(file.path);
    const Row* row = RowOf(folder);
    if (row == nullptr) {
      if (unknown.insert(folder).second) {
        findings.push_back(absl::StrCat(
            file.path, ": the folder ", folder, " is not in the table of ",
            "tests/architecture/include_rules.cc; add a row that says what it may include"));
      }
      continue;
    }
    for (const Include& include : IncludesOf(file)) CheckInclude(*row, file, include, findings);
  }
  return findings;
}

Findings CheckFolderCycles(std::span<const SourceFile> files) {
  const Graph graph = FolderGraph(files);
  Findings findings;
  std::vector<std::string> path;
  std::set<std::string> done;
  for (const auto& [folder, edges] : graph) FindCycles(graph, folder, path, done, findings);
  return findings;
}

std::vector<std::string> LongestChain(std::span<const SourceFile> files) {
  const Graph graph = FolderGraph(files);
  std::map<std::string, std::vector<std::string>> known;
  std::vector<std::string> longest;
  for (const auto& [folder, edges] : graph) {
    const std::vector<std::string> chain = ChainFrom(graph, folder, known);
    if (chain.size() > longest.size()) longest = chain;
  }
  return longest;
}

}  // namespace strided
