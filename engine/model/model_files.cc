#include "engine/model/model_files.h"

#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "engine/base/file.h"
#include "engine/base/status_macros.h"

namespace strided {
namespace {

constexpr absl::string_view kSingleFile = "model.safetensors";
constexpr absl::string_view kIndexFile = "model.safetensors.index.json";

// Puts `path` before the text of an error, as "<path> <text>".
absl::Status WithPath(const absl::Status& status, absl::string_view path) {
  return absl::Status(status.code(), absl::StrCat(path, " ", status.message()));
}

absl::StatusOr<std::vector<Tensor>> TensorsOf(const MappedFile& file, absl::string_view path,
                                              TensorNameTest skipped) {
  absl::StatusOr<std::vector<Tensor>> tensors = ParseSafetensors(file.bytes(), skipped);
  if (!tensors.ok()) return WithPath(tensors.status(), absl::StrCat(path, ":"));
  return tensors;
}

absl::StatusOr<ModelFiles> OpenSingle(MappedFile file, const std::string& path,
                                      TensorNameTest skipped) {
  ASSIGN_OR_RETURN(std::vector<Tensor> tensors, TensorsOf(file, path, skipped));
  ModelFiles model;
  for (Tensor& tensor : tensors) model.tensors.emplace(tensor.name, std::move(tensor));
  model.files.push_back(std::move(file));
  return model;
}

// Index and shards must agree on every tensor, in both directions.
absl::StatusOr<ModelFiles> OpenShards(const std::string& directory,
                                      const std::map<std::string, std::string>& shard_of,
                                      TensorNameTest skipped) {
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : shard_of) shards.insert(shard);
  ModelFiles model;
  for (const std::string& shard : shards) {
    const std::string path = absl::StrCat(directory, "/", shard);
    ASSIGN_OR_RETURN(MappedFile file, MappedFile::Open(path));
    ASSIGN_OR_RETURN(std::vector<Tensor> tensors, TensorsOf(file, path, skipped));
    for (Tensor& tensor : tensors) {
      const auto planned = shard_of.find(tensor.name);
      if (planned == shard_of.end() || planned->second != shard) {
        return absl::InvalidArgumentError(
            absl::StrCat(path, ": ", tensor.name, " is in this shard; expected it ",
                         planned == shard_of.end() ? "in the index, too"
                                                   : absl::StrCat("in ", planned->second)));
      }
      model.tensors.emplace(tensor.name, std::move(tensor));
    }
    model.files.push_back(std::move(file));
  }
  for (const auto& [tensor, shard] : shard_of) {
    if (!model.tensors.contains(tensor) && !skipped(tensor)) {
      return absl::InvalidArgumentError(absl::StrCat(directory, "/", shard, ": ", tensor,
                                                     " is missing; the index places it here"));
    }
  }
  return model;
}

}  // namespace

absl::StatusOr<ModelFiles> OpenModelFiles(const std::string& directory, TensorNameTest skipped) {
  const std::string single_path = absl::StrCat(directory, "/", kSingleFile);
  absl::StatusOr<MappedFile> single = MappedFile::Open(single_path);
  if (single.ok()) return OpenSingle(*std::move(single), single_path, skipped);
  if (!absl::IsNotFound(single.status())) return single.status();

  const std::string index_path = absl::StrCat(directory, "/", kIndexFile);
  const absl::StatusOr<std::string> index = ReadSmallFile(index_path, kMaxHeaderBytes);
  if (absl::IsNotFound(index.status())) {
    return absl::NotFoundError(
        absl::StrCat(directory, " has neither ", kSingleFile, " nor ", kIndexFile));
  }
  if (!index.ok()) return index.status();
  const absl::StatusOr<std::map<std::string, std::string>> shard_of = ParseShardIndex(*index);
  if (!shard_of.ok()) return WithPath(shard_of.status(), absl::StrCat(index_path, ":"));
  return OpenShards(directory, *shard_of, skipped);
}

}  // namespace strided
