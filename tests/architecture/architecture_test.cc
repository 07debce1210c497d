// The rules that keep the tree readable, held over the whole repository; and each of them shown to
// catch what it is for.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "tests/architecture/code_rules.h"
#include "tests/architecture/include_rules.h"
#include "tests/architecture/source_tree.h"

namespace strided {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr size_t kMostLayers = 9;

// ctest runs tests in the repository's root.
const std::vector<SourceFile>& Repository() {
  static const std::vector<std::string> kFolders = {"engine", "server", "client"};
  static const std::vector<SourceFile> kFiles = ReadSources(".", kFolders);
  return kFiles;
}

TEST(ArchitectureTest, TheSourcesAreFound) { EXPECT_GT(Repository().size(), 20U); }

TEST(ArchitectureTest, EveryIncludeIsInTheTable) {
  EXPECT_THAT(CheckIncludes(Repository()), IsEmpty());
}

TEST(ArchitectureTest, NoFoldersIncludeEachOther) {
  EXPECT_THAT(CheckFolderCycles(Repository()), IsEmpty());
}

TEST(ArchitectureTest, TheLayersAreFew) {
  if (!CheckFolderCycles(Repository()).empty()) GTEST_SKIP() << "there is a cycle";
  const std::vector<std::string> chain = LongestChain(Repository());
  EXPECT_LE(chain.size(), kMostLayers) << absl::StrJoin(chain, " -> ");
}

TEST(ArchitectureTest, CudaStaysInItsFolder) {
  EXPECT_THAT(CheckDeviceBoundary(Repository()), IsEmpty());
}

TEST(ArchitectureTest, NothingIsOwnedByHand) {
  EXPECT_THAT(CheckOwnership(Repository()), IsEmpty());
}

TEST(ArchitectureTest, TheEngineKnowsNoWire) {
  EXPECT_THAT(CheckEngineKnowsNoWire(Repository()), IsEmpty());
}

// From here on, small trees that break one rule each.

Findings IncludeFindings(const std::string& path, const std::string& text) {
  return CheckIncludes(std::vector<SourceFile>{{path, text}});
}

TEST(ArchitectureTest, AnIncludeAgainstTheTableIsNamedWithItsLine) {
  EXPECT_THAT(IncludeFindings("engine/model/weights.cc",
                              "// comment\n#include \"server/config/options.h\"\n"),
              ElementsAre("engine/model/weights.cc:2: #include \"server/config/options.h\": "
                          "engine/model may include only {engine/base}"));
  EXPECT_THAT(IncludeFindings("engine/cpu/a.cc", "#include \"engine/cuda/a.h\"\n"),
              ElementsAre(StartsWith("engine/cpu/a.cc:1:")));
  EXPECT_THAT(IncludeFindings("server/scheduling/a.cc", "#include <strided/v1/models.pb.h>\n"),
              ElementsAre(HasSubstr("server/scheduling may include only")));
  EXPECT_THAT(IncludeFindings("client/cpp/a.cc", "#include \"engine/base/clock.h\"\n"),
              ElementsAre(HasSubstr("client may include only {proto}")));
  EXPECT_THAT(IncludeFindings("server/service/a.cc", "#include \"tests/testing/a.h\"\n"),
              ElementsAre(HasSubstr("tests/testing/a.h")));
}

TEST(ArchitectureTest, IncludesInTheTableAndOfOthersAreFine) {
  EXPECT_THAT(IncludeFindings("engine/cpu/kernels/a.cc",
                              "#include <vector>\n#include \"absl/status/status.h\"\n"
                              "#include \"engine/step.h\"\n#include \"engine/cpu/a.h\"\n"),
              IsEmpty());
}

TEST(ArchitectureTest, ANewFolderNeedsARow) {
  EXPECT_THAT(
      IncludeFindings("engine/tokens/a.cc", ""),
      ElementsAre(AllOf(HasSubstr("engine/tokens is not in the table"), HasSubstr("add a row"))));
}

TEST(ArchitectureTest, ACycleIsShownStepByStep) {
  const std::vector<SourceFile> files = {{"a/x.h", "#include \"b/y.h\"\n"},
                                         {"b/y.h", "#include \"c/z.h\"\n"},
                                         {"c/z.h", "\n#include \"a/w.h\"\n"},
                                         {"a/w.h", ""}};
  EXPECT_THAT(CheckFolderCycles(files),
              ElementsAre(AllOf(HasSubstr("a/x.h:1: #include \"b/y.h\""),
                                HasSubstr("b/y.h:1: #include \"c/z.h\""),
                                HasSubstr("c/z.h:2: #include \"a/w.h\""))));
}

TEST(ArchitectureTest, TheLongestChainCountsLayers) {
  const std::vector<SourceFile> files = {{"a/x.h", "#include \"b/y.h\"\n#include \"c/z.h\"\n"},
                                         {"b/y.h", "#include \"c/z.h\"\n"},
                                         {"c/z.h", ""}};
  EXPECT_THAT(LongestChain(files), ElementsAre("a", "b", "c"));
}

TEST(ArchitectureTest, CudaOutsideItsFolderIsFound) {
  const std::string offences[] = {
      "cudaStream_t stream;",   "#ifdef STRIDED_CUDA",  "#if defined(__CUDACC__)",
      "__global__ void F();",   "F<<<1, 2>>>();",       "#include <cuda_runtime.h>",
      "cublasHandle_t handle;", "CUdeviceptr address;",
  };
  for (const std::string& offence : offences) {
    EXPECT_THAT(CheckDeviceBoundary(std::vector<SourceFile>{{"server/main.cc", offence}}),
                ElementsAre(StartsWith("server/main.cc:1: ")))
        << offence;
    EXPECT_THAT(CheckDeviceBoundary(std::vector<SourceFile>{{"engine/cuda/a.cu", offence}}),
                IsEmpty());
  }
  const std::string fine = "// cudaMalloc\nauto device = \"cuda:0\"; Device kCuda; CUnescape(s);\n";
  EXPECT_THAT(CheckDeviceBoundary(std::vector<SourceFile>{{"server/main.cc", fine}}), IsEmpty());
}

TEST(ArchitectureTest, RawNewAndDeleteAreFound) {
  const std::string offences[] = {
      "auto* p = new Widget;", "return std::unique_ptr<W>(new W(1));",
      "delete this;",          "delete[] p;",
      "new (place) Widget;",
  };
  for (const std::string& offence : offences) {
    EXPECT_THAT(CheckOwnership(std::vector<SourceFile>{{"engine/a.cc", offence}}),
                ElementsAre(StartsWith("engine/a.cc:1: ")))
        << offence;
  }
  const std::string fine =
      "W(const W&) = delete;\nint renew = is_new;\n// a new one\nauto s = \"new W\";\n"
      "auto t = R\"(delete p;)\"; char c = '\"'; int n = 1'000; /* new W */\n"
      "void* operator new(size_t);\n";
  EXPECT_THAT(CheckOwnership(std::vector<SourceFile>{{"engine/a.cc", fine}}), IsEmpty());
}

TEST(ArchitectureTest, WireFormatsInTheEngineAreFound) {
  for (const char* offence : {"#include <grpcpp/grpcpp.h>", "#include \"google/protobuf/any.h\"",
                              "#include \"strided/v1/models.pb.h\""}) {
    EXPECT_THAT(CheckEngineKnowsNoWire(std::vector<SourceFile>{{"engine/cpu/a.cc", offence}}),
                ElementsAre(StartsWith("engine/cpu/a.cc:1: ")))
        << offence;
  }
}

}  // namespace
}  // namespace strided
