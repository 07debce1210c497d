#include "server/repository/repository_scan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/testing/status_matchers.h"
#include "tests/testing/temporary_directory.h"

namespace strided {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

// The problem of the one model below `root`.
absl::Status OnlyProblem(const TemporaryDirectory& root) {
  const absl::StatusOr<std::vector<FoundModel>> models = ScanRepository(root.path());
  EXPECT_OK(models);
  if (!models.ok() || models->size() != 1) return absl::UnknownError("not one model");
  return models->front().problem;
}

TEST(ParseVersionTest, VersionsArePositiveIntegersWithOneSpelling) {
  EXPECT_THAT(ParseVersion("1"), IsOkAndHolds(1));
  EXPECT_THAT(ParseVersion("999999999999999999"), IsOkAndHolds(999'999'999'999'999'999));
  for (const char* text :
       {"0", "-1", "+1", "01", "1a", "v1", "", "1.0", " 1", "1000000000000000000"}) {
    EXPECT_THAT(ParseVersion(text),
                StatusIs(kInvalid, HasSubstr("expected a positive integer without leading zeros")))
        << text;
  }
}

TEST(RepositoryScanTest, TheHighestVersionOfEveryModelIsFound) {
  const TemporaryDirectory root;
  for (const char* file : {"b/2/config.json", "b/10/config.json", "a/1/config.json"}) {
    root.Write(file, "{}");
  }
  ASSERT_OK_AND_ASSIGN(const std::vector<FoundModel> models, ScanRepository(root.path()));
  EXPECT_THAT(models,
              ElementsAre(AllOf(Field(&FoundModel::name, "a"), Field(&FoundModel::version, 1)),
                          AllOf(Field(&FoundModel::name, "b"), Field(&FoundModel::version, 10),
                                Field(&FoundModel::directory, root.path() + "/b/10"))));
  EXPECT_OK(models[0].problem);
  EXPECT_OK(models[1].problem);
}

TEST(RepositoryScanTest, FilesAndDotNamesAreLeftAlone) {
  const TemporaryDirectory root;
  for (const char* file :
       {"README.md", ".git/HEAD", "a/1/config.json", "a/card.md", "a/.cache/x"}) {
    root.Write(file, "");
  }
  ASSERT_OK_AND_ASSIGN(const std::vector<FoundModel> models, ScanRepository(root.path()));
  EXPECT_THAT(models, ElementsAre(AllOf(Field(&FoundModel::name, "a"),
                                        Field(&FoundModel::problem, IsOk()))));
}

TEST(RepositoryScanTest, LinksToDirectoriesCountAsDirectories) {
  const TemporaryDirectory root;
  root.Write(".store/7/config.json", "{}");
  std::filesystem::create_directory(root.path() + "/a");
  std::filesystem::create_directory_symlink(root.path() + "/.store/7", root.path() + "/a/3");
  ASSERT_OK_AND_ASSIGN(const std::vector<FoundModel> models, ScanRepository(root.path()));
  EXPECT_THAT(models, ElementsAre(AllOf(Field(&FoundModel::version, 3),
                                        Field(&FoundModel::problem, IsOk()))));
}

TEST(RepositoryScanTest, ALinkThatLeadsNowhereIsAProblem) {
  const TemporaryDirectory root;
  std::filesystem::create_directory_symlink(root.path() + "/gone", root.path() + "/a");
  EXPECT_THAT(OnlyProblem(root),
              StatusIs(kInvalid, root.path() + "/a is a symbolic link that leads nowhere"));
}

TEST(RepositoryScanTest, ALinkToItselfIsAProblem) {
  const TemporaryDirectory root;
  std::filesystem::create_directory(root.path() + "/a");
  std::filesystem::create_directory_symlink("1", root.path() + "/a/1");
  EXPECT_THAT(OnlyProblem(root), StatusIs(kInvalid, HasSubstr("/a/1 is a symbolic link")));
}

TEST(RepositoryScanTest, ADirectoryThatIsNoVersionIsAProblem) {
  const TemporaryDirectory root;
  root.Write("a/1/config.json", "{}");
  root.Write("a/old/config.json", "{}");
  EXPECT_THAT(OnlyProblem(root),
              StatusIs(kInvalid, root.path() + "/a/old is no version: \"old\"; expected a positive "
                                               "integer without leading zeros"));
}

TEST(RepositoryScanTest, AModelWithoutVersionsIsAProblem) {
  const TemporaryDirectory root;
  root.Write("a/config.json", "{}");
  EXPECT_THAT(
      OnlyProblem(root),
      StatusIs(kInvalid, root.path() + "/a holds no version; expected a directory such as " +
                             root.path() + "/a/1"));
}

TEST(RepositoryScanTest, ANameThatNoRequestCouldNameIsAProblem) {
  for (const char* name : {"a b", "-a", "a\nb", "\xff"}) {
    const TemporaryDirectory root;
    root.Write(std::string(name) + "/1/config.json", "{}");
    EXPECT_THAT(OnlyProblem(root), StatusIs(kInvalid, HasSubstr("a model's name has 1 to 128")))
        << name;
  }
}

TEST(RepositoryScanTest, ADirectoryThatMayNotBeReadIsAProblem) {
  if (geteuid() == 0) GTEST_SKIP() << "root may read every directory";
  const TemporaryDirectory root;
  root.Write("a/1/config.json", "{}");
  std::filesystem::permissions(root.path() + "/a", std::filesystem::perms::none);
  EXPECT_THAT(OnlyProblem(root),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr(root.path() + "/a")));
  std::filesystem::permissions(root.path() + "/a", std::filesystem::perms::owner_all);
}

TEST(RepositoryScanTest, TheRootMustBeADirectoryWithModels) {
  const TemporaryDirectory root;
  EXPECT_THAT(ScanRepository(root.path() + "/none"),
              StatusIs(absl::StatusCode::kNotFound,
                       "model_repository " + root.path() + "/none does not exist"));
  EXPECT_THAT(ScanRepository(root.path()),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(" holds no model; expected ")));
  const std::string file = root.Write("file", "");
  EXPECT_THAT(ScanRepository(file),
              StatusIs(kInvalid, "model_repository " + file + " is no directory"));
}

}  // namespace
}  // namespace strided
