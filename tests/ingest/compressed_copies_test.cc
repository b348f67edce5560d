#include "ingest/compressed_copies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/ingest/ingest_fixture.h"
#include "tests/parsers/recorder.h"

namespace fleetmeter::ingest {
namespace {

using parsers::testing::gzip;
using parsers::testing::zstd;
using ::testing::AllOf;
using ::testing::ElementsAre;
using testing::flow_line;
using testing::Folder;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class CompressedCopiesTest : public ::testing::Test {
 protected:
  /// What is left to read of the files that are there.
  std::vector<std::string> left() {
    std::vector<std::string> files{folder_.path("a.log"), compressed_};
    twins_ = take_out_compressed_copies(files);
    return files;
  }

  Folder folder_;
  std::string compressed_;
  std::vector<CompressedTwin> twins_;
  const std::string text_ = flow_line(1) + flow_line(2);
};

TEST_F(CompressedCopiesTest, ACompressedFileWhoseTextItsTwinBeginsWithIsACopy) {
  const std::string longer = text_ + flow_line(4);
  for (const std::string& plain : {text_, longer}) {
    folder_.write("a.log", plain);
    for (const auto& [name, bytes] :
         {std::pair("a.log.gz", gzip(text_)), std::pair("a.log.zst", zstd(text_)),
          std::pair("a.log.gz", gzip(flow_line(1)) + gzip(flow_line(2)))}) {
      compressed_ = folder_.write(name, bytes);
      EXPECT_THAT(left(), ElementsAre(folder_.path("a.log"))) << name;
      ASSERT_THAT(twins_, SizeIs(1));
      EXPECT_THAT(to_text(twins_[0]), AllOf(HasSubstr(compressed_), HasSubstr("left out")));
    }
  }
}

TEST_F(CompressedCopiesTest, OneThatIsStillBeingWrittenIsACopyToo) {
  folder_.write("a.log", text_);
  const std::string whole = gzip(text_);
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    compressed_ = folder_.write("a.log.gz", whole.substr(0, cut));
    // One byte does not show that it is compressed: it is text, and not of a flow log.
    EXPECT_THAT(left(), SizeIs(cut == 1 ? 2 : 1)) << cut;
  }
}

TEST_F(CompressedCopiesTest, FilesWithDifferentTextAreBothReadAndNamed) {
  folder_.write("a.log", text_);
  std::string damaged = gzip(text_);
  damaged.back() ^= 1;
  for (const std::string& bytes :
       {gzip(text_ + flow_line(4)), gzip(flow_line(1) + flow_line(8)), damaged}) {
    compressed_ = folder_.write("a.log.gz", bytes);
    EXPECT_THAT(left(), SizeIs(2));
    ASSERT_THAT(twins_, SizeIs(1));
    EXPECT_THAT(to_text(twins_[0]), AllOf(HasSubstr(compressed_), HasSubstr(folder_.path("a.log")),
                                          HasSubstr("counts twice")));
  }
}

TEST_F(CompressedCopiesTest, OtherNamesAreNoTwins) {
  folder_.write("a.log", text_);
  for (const char* name : {"b.log.gz", "a.gz", "a.log.1.gz", "a.log.bz2"}) {
    compressed_ = folder_.write(name, gzip(text_));
    EXPECT_THAT(left(), SizeIs(2)) << name;
    EXPECT_THAT(twins_, IsEmpty());
  }
}

}  // namespace
}  // namespace fleetmeter::ingest
