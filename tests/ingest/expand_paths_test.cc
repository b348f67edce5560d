#include <gmock/gmock.h>
#include <unistd.h>

#include "ingest/file_position.h"
#include "ingest/files_source.h"
#include "tests/ingest/ingest_fixture.h"

namespace fleetmeter::ingest {
namespace {

using ::testing::ElementsAre;
using testing::Folder;

using Missing = std::pair<std::string, std::string>;

/// Root reads everything; while this lives the process has no more rights than others.
class NoRoot {
 public:
  NoRoot() { FM_CHECK(!was_root_ || seteuid(65534) == 0); }
  ~NoRoot() { FM_CHECK(!was_root_ || seteuid(0) == 0); }
  NoRoot(const NoRoot&) = delete;
  NoRoot& operator=(const NoRoot&) = delete;

 private:
  const bool was_root_ = geteuid() == 0;
};

/// A directory that its owner alone could enter, and not even that one.
class ClosedDirectory {
 public:
  ClosedDirectory(const Folder& folder, const std::string& name) : path_(folder.path(name)) {
    std::filesystem::permissions(folder.path(), std::filesystem::perms(0755));
    std::filesystem::permissions(path_, std::filesystem::perms::none);
  }
  ~ClosedDirectory() { std::filesystem::permissions(path_, std::filesystem::perms(0755)); }
  ClosedDirectory(const ClosedDirectory&) = delete;
  ClosedDirectory& operator=(const ClosedDirectory&) = delete;

 private:
  const std::string path_;
};

class ExpandPathsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name :
         {"a/x.log", "a/y.txt", "a/b/c/z.log", "q.log", ".hidden.log", "a/.tmp/w.log"})
      folder_.write(name, "1");
  }
  std::vector<std::string> names(const std::vector<std::string>& paths) {
    std::vector<std::string> full;
    for (const std::string& path : paths)
      full.push_back(path == "-" ? path : folder_.path() + "/" + path);
    const ExpandedPaths found = expand_paths(full);
    EXPECT_TRUE(found.missing.empty());
    std::vector<std::string> shown;
    for (const std::string& path : found.files)
      shown.push_back(path == "-" ? path : path.substr(folder_.path().size() + 1));
    return shown;
  }
  Folder folder_;
};

TEST_F(ExpandPathsTest, ADirectoryIsAllFilesBelowButHiddenOnes) {
  EXPECT_THAT(names({"a"}), ElementsAre("a/b/c/z.log", "a/x.log", "a/y.txt"));
}
TEST_F(ExpandPathsTest, TwoStarsAreAnyNumberOfDirectoriesNoneIncluded) {
  EXPECT_THAT(names({"**/*.log"}), ElementsAre("a/b/c/z.log", "a/x.log", "q.log"));
  EXPECT_THAT(names({"a/**/z.log"}), ElementsAre("a/b/c/z.log"));
  EXPECT_THAT(names({"*/**/c/*"}), ElementsAre("a/b/c/z.log"));
  EXPECT_THAT(names({"a/**"}), ElementsAre("a/b/c/z.log", "a/x.log", "a/y.txt"));
}
TEST_F(ExpandPathsTest, OneStarStaysInItsDirectory) {
  EXPECT_THAT(names({"*.log"}), ElementsAre("q.log"));
  EXPECT_THAT(names({"a/?.log"}), ElementsAre("a/x.log"));
}
TEST_F(ExpandPathsTest, AFileCountsOnceAndInTheOrderThatWasAsked) {
  EXPECT_THAT(names({"q.log", "-", "a/x.log", "*.log"}), ElementsAre("q.log", "-", "a/x.log"));
  EXPECT_THAT(names({".hidden.log"}), ElementsAre(".hidden.log"));
}
TEST_F(ExpandPathsTest, AFileOfManyNamesIsKnownByDeviceAndInodeAndKeepsTheFirst) {
  std::filesystem::create_hard_link(folder_.path("q.log"), folder_.path("r.log"));
  std::filesystem::create_symlink(folder_.path("q.log"), folder_.path("s.log"));
  EXPECT_THAT(names({"./q.log", "q.log", "a/../q.log", "*.log", "-", "-"}),
              ElementsAre("./q.log", "-"));
}
TEST_F(ExpandPathsTest, AnObjectOfFlowLogsIsKnownByItsNameInWhateverFolderItsCopiesLie) {
  const std::string name =
      "123456789012_vpcflowlogs_us-east-1_fl-0123456789abcdef0_20261101T0005Z_fe123456.log.gz";
  for (const char* folder : {"plain/", "hive/year=2026/"}) folder_.write(folder + name, "1");
  EXPECT_THAT(names({"plain", "hive"}), ElementsAre("plain/" + name));
}
TEST_F(ExpandPathsTest, OfTheCopiesOfAnObjectTheLargestCountsSinceOneMayBeEmptyOrCut) {
  const std::string name =
      "123456789012_vpcflowlogs_us-east-1_fl-0123456789abcdef0_20261101T0005Z_fe123456.log.gz";
  folder_.write("1/" + name, "");
  folder_.write("2/" + name, "cut");
  folder_.write("3/" + name, "whole");
  folder_.write("4/" + name, "whole");
  EXPECT_THAT(names({"1", "2", "3", "4"}), ElementsAre("3/" + name));
  EXPECT_THAT(names({"4/" + name, "q.log", "1", "3"}), ElementsAre("4/" + name, "q.log"));
  std::filesystem::create_hard_link(folder_.path("2/" + name), folder_.path("hard.gz"));
  EXPECT_THAT(names({"hard.gz", "2", "3"}), ElementsAre("3/" + name)) << "a copy too";
}
TEST_F(ExpandPathsTest, AnObjectOfFlowLogsIsTheSameFileUnderAnotherNameInEitherOrder) {
  const std::string name =
      "123456789012_vpcflowlogs_us-east-1_fl-0123456789abcdef0_20261101T0005Z_fe123456.log.gz";
  folder_.write(name, "1");
  std::filesystem::create_hard_link(folder_.path(name), folder_.path("hard.gz"));
  std::filesystem::create_symlink(folder_.path(name), folder_.path("soft.gz"));
  EXPECT_THAT(names({name, "hard.gz", "soft.gz"}), ElementsAre(name));
  EXPECT_THAT(names({"soft.gz", "hard.gz", name}), ElementsAre("soft.gz"));
}
TEST_F(ExpandPathsTest, APathThatLeadsToNothingIsNamedAndTheOthersStand) {
  const auto found = expand_paths({"/nowhere/*.gz", folder_.path("q.log"), folder_.path("a/.tmp")});
  EXPECT_THAT(found.files, ElementsAre(folder_.path("q.log"), folder_.path("a/.tmp/w.log")));
  EXPECT_THAT(found.missing, ElementsAre(std::pair<std::string, std::string>(
                                 "/nowhere/*.gz", "no such file, directory or match")));
}
TEST_F(ExpandPathsTest, ADirectoryThatCannotBeListedIsNamedInWhateverFormItIsAskedFor) {
  folder_.write("d/day=01/a.log", "1");
  const std::string open = folder_.path("d/day=01/a.log");
  const std::string file = folder_.write("d/day=02/b.log", "1");
  const std::string closed = folder_.path("d/day=02");
  const ClosedDirectory holder(folder_, "d/day=02");
  const NoRoot rights;
  for (const char* form : {"d", "d/**/*.log", "d/*/*.log", "d/*", "d/day=*"}) {
    const ExpandedPaths found = expand_paths({folder_.path(form), folder_.path(form)});
    EXPECT_THAT(found.files, ElementsAre(open)) << form;
    EXPECT_THAT(found.missing, ElementsAre(Missing(closed, "Permission denied"))) << form;
  }
  const ExpandedPaths by_name = expand_paths({folder_.path("d/*/[ab].log")});
  EXPECT_THAT(by_name.missing, ElementsAre(Missing(closed, "Permission denied")));
  for (const std::string& named : {closed, file, closed + "/*", closed + "/**"}) {
    const ExpandedPaths found = expand_paths({named});
    EXPECT_TRUE(found.files.empty()) << named;
    ASSERT_EQ(found.missing.size(), 1u) << named;
    EXPECT_EQ(found.missing.front().second, "Permission denied") << named;
  }
}
TEST_F(ExpandPathsTest, AFileBehindADirectoryThatCannotBeEnteredIsNoMissingMatch) {
  folder_.write("d/day=02/b.log", "1");
  const ClosedDirectory holder(folder_, "d/day=02");
  const NoRoot rights;
  EXPECT_THAT(expand_paths({folder_.path("d/*/b.log")}).missing,
              ElementsAre(Missing(folder_.path("d/day=02/b.log"), "Permission denied")));
}
TEST_F(ExpandPathsTest, APathThatCannotBeFollowedSaysWhy) {
  const std::string long_name = folder_.path(std::string(300, 'x'));
  std::filesystem::create_symlink("loop", folder_.path("loop"));
  EXPECT_THAT(expand_paths({long_name, folder_.path("loop"), folder_.path("q.log/x")}).missing,
              ElementsAre(Missing(long_name, "File name too long"),
                          Missing(folder_.path("loop"), "Too many levels of symbolic links"),
                          Missing(folder_.path("q.log/x"), "no such file, directory or match")));
}
TEST_F(ExpandPathsTest, ALinkThatLeadsNowhereIsNamedInWhateverFormItIsAskedFor) {
  const std::string file = folder_.write("d/day=01/a.log", "1");
  const std::string log = folder_.path("d/day=01/b.log"), day = folder_.path("d/day=02");
  std::filesystem::create_symlink("/nonexistent", log);
  std::filesystem::create_symlink("a.log/x", day);
  for (const char* form : {"d", "d/**/*.log", "d/*", "d/day*"}) {
    const ExpandedPaths found = expand_paths({folder_.path(form)});
    EXPECT_THAT(found.files, ElementsAre(file)) << form;
    EXPECT_THAT(found.missing, ElementsAre(Missing(log, "No such file or directory"),
                                           Missing(day, "No such file or directory")))
        << form;
  }
  EXPECT_THAT(expand_paths({log}).missing, ElementsAre(Missing(log, "No such file or directory")));
}
TEST_F(ExpandPathsTest, ALinkToADirectoryIsFollowed) {
  folder_.write("d/a.log", "1");
  folder_.write("real/deep/b.log", "1");
  std::filesystem::create_directory_symlink("../real", folder_.path("d/day=02"));
  for (const char* form : {"d", "d/**/*.log", "d/**"})
    EXPECT_THAT(names({form}), ElementsAre("d/a.log", "d/day=02/deep/b.log")) << form;
  EXPECT_THAT(names({"d/*/*/*.log"}), ElementsAre("d/day=02/deep/b.log"));
  EXPECT_THAT(names({"real", "d"}), ElementsAre("real/deep/b.log", "d/a.log"));
}
TEST_F(ExpandPathsTest, ADirectoryIsWalkedOnceAndKeepsItsOwnNameWhateverLinksLeadThere) {
  folder_.write("d/z/a.log", "1");
  folder_.write("d/z/zz/b.log", "1");
  for (const char* link : {"d/0", "d/z/up", "d/z/zz/up"})
    std::filesystem::create_directory_symlink(folder_.path("d"), folder_.path(link));
  std::filesystem::create_directory_symlink("z/zz", folder_.path("d/1"));
  for (const char* form : {"d", "d/**/*.log"})
    EXPECT_THAT(names({form}), ElementsAre("d/z/a.log", "d/z/zz/b.log")) << form;
  EXPECT_THAT(names({"d/z/u*/z/*.log"}), ElementsAre("d/z/up/z/a.log"));
}
TEST_F(ExpandPathsTest, AStarThatEndsInASlashIsDirectoriesAlone) {
  EXPECT_THAT(names({"*/"}), ElementsAre("a/b/c/z.log", "a/x.log", "a/y.txt"));
}

TEST(FilePosition, ComesBackFromItsText) {
  FilePosition position;
  position.stream = {123, 456, "version account-id srcaddr", true};
  position.head_bytes = 1024;
  position.head_hash = 0xffffffffffffffff;
  position.done = true;
  position.size = 1ull << 40;
  const auto back = decode_position(encode(position));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->stream, position.stream);
  EXPECT_EQ(back->head_bytes, 1024u);
  EXPECT_EQ(back->head_hash, position.head_hash);
  EXPECT_TRUE(back->done);
  EXPECT_EQ(back->size, position.size);
  for (const char* bad : {"", "2 1 2 3 4 5 6 ", "1 2", "x"})
    EXPECT_FALSE(decode_position(bad)) << bad;
}

TEST(FilePosition, KnowsTheNamesThatAwsGives) {
  EXPECT_TRUE(is_aws_object_name(
      "123456789012_vpcflowlogs_us-east-1_fl-1234abcd_20180620T1620Z_fe123456.log.gz"));
  for (const char* other :
       {"flow.log.gz",
        "123456789012_vpcflowlogs_us-east-1_fl-1234abcd_20180620T1620Z_fe123456.log.gz.8cA0b1D2",
        "123456789012_elasticloadbalancing_us-east-1_fl-1_20180620T1620Z_fe.log.gz",
        "x_vpcflowlogs_us-east-1_fl-1234abcd_20180620T1620Z_fe123456.log.gz"})
    EXPECT_FALSE(is_aws_object_name(other)) << other;
}

TEST(FilePosition, KnowsTheNamesThatFirehoseGives) {
  const std::string name = "vpc-logs-3-2026-11-29-17-05-59-0a1B2c3d-4e5f-6071-8293-a4b5c6d7e8f9";
  for (const char* extension : {"", ".gz", ".zst", ".parquet"})
    EXPECT_TRUE(is_aws_object_name(name + extension)) << extension;
  EXPECT_TRUE(is_aws_object_name("a-1" + name.substr(10)));
  for (const std::string& other :
       {name + ".gz.tmp", name + ".log", name + "0", name.substr(8), name.substr(10),
        "vpc-logs-x" + name.substr(10), name.substr(0, name.size() - 1) + "g"})
    EXPECT_FALSE(is_aws_object_name(other)) << other;
}

}  // namespace
}  // namespace fleetmeter::ingest
