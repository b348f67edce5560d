#include <gtest/gtest.h>

#include "app/command.h"
#include "proto/rfc3339.h"

namespace fleetmeter::app {
namespace {

TEST(HumanBytes, UsesThousandsAndNeverShowsAThousandOfAUnit) {
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(999), "999 B");
  EXPECT_EQ(human_bytes(1'018'421'268), "1.02 GB");
  EXPECT_EQ(human_bytes(999'999), "1.00 MB");
}

TEST(GroupDigits, SetsACommaEveryThreeDigits) {
  EXPECT_EQ(group_digits(0), "0");
  EXPECT_EQ(group_digits(999), "999");
  EXPECT_EQ(group_digits(1000), "1,000");
  EXPECT_EQ(group_digits(18'446'744'073'709'551'615ull), "18,446,744,073,709,551,615");
}

TEST(ParseRfc3339, ReadsWhatRfc3339Writes) {
  for (const std::int64_t at_s : {0L, 951'782'400L, 1'734'718'982L, 4'102'444'799L}) {
    EXPECT_EQ(parse_rfc3339(rfc3339(at_s)), at_s);
  }
}

TEST(ParseRfc3339, TakesOffsetsFractionsAndPlainDates) {
  EXPECT_EQ(parse_rfc3339("2026-03-02T01:30:00+01:30"), 1'772'409'600);
  EXPECT_EQ(parse_rfc3339("2026-03-01T19:00:00.250-05:00"), 1'772'409'600);
  EXPECT_EQ(parse_rfc3339("2026-03-02"), 1'772'409'600);
}

TEST(ParseRfc3339, RefusesWhatIsNoTime) {
  for (const char* text : {"", "2026", "2026-13-01", "2026-02-30", "2026-03-02T24:00:00Z",
                           "2026-03-02T00:00:00", "2026-03-02T00:00:00.Z", "2026-03-02T00:00Z",
                           "2026-03-02T00:00:00+1:00", "+026-03-02", "2026-03-02T00:00:00Zx"}) {
    EXPECT_EQ(parse_rfc3339(text), std::nullopt) << text;
  }
}

TablePrinter talkers() {
  TablePrinter table({"key", "bytes"});
  table.row({"a|b,\"c\"<d>", "1"});
  table.row({"é", "1,000"});
  return table;
}

TEST(TablePrinter, AlignsByCharactersAndNumbersToTheRight) {
  EXPECT_EQ(talkers().print(OutputFormat::kTable),
            "key         bytes\n"
            "a|b,\"c\"<d>      1\n"
            "é           1,000\n");
}

TEST(TablePrinter, QuotesWhatEachFormatTakesForItsOwn) {
  EXPECT_EQ(talkers().print(OutputFormat::kCsv),
            "key,bytes\n\"a|b,\"\"c\"\"<d>\",1\né,\"1,000\"\n");
  EXPECT_EQ(talkers().print(OutputFormat::kMarkdown),
            "| key | bytes |\n| --- | ---: |\n| a\\|b,\"c\"&lt;d> | 1 |\n| é | 1,000 |\n");
  EXPECT_NE(talkers().print(OutputFormat::kHtml).find("<td>a|b,&quot;c&quot;&lt;d&gt;</td>"),
            std::string::npos);
}

TEST(TablePrinter, ShowsControlCharactersAndWhatIsNoUtf8AsReplaced) {
  TablePrinter table({"key", "bytes"});
  table.row(
      {"\x1b"
       "c\x7f\u009b1m\u0080\u00a0\t\xff\xe2\x82z",
       "1"});
  const std::string cell = "\uFFFDc\uFFFD\uFFFD1m\uFFFD\u00a0\uFFFD\uFFFD\uFFFD\uFFFDz";
  EXPECT_EQ(table.print(OutputFormat::kTable), "key            bytes\n" + cell + "      1\n");
  EXPECT_EQ(table.print(OutputFormat::kCsv), "key,bytes\n" + cell + ",1\n");
  for (const OutputFormat format : {OutputFormat::kMarkdown, OutputFormat::kHtml})
    EXPECT_NE(table.print(format).find(cell), std::string::npos);
}

TEST(TablePrinter, KeepsLineEndsWhereTheFormatCanQuoteThem) {
  TablePrinter table({"key"});
  table.row({"a\r\nb"});
  EXPECT_EQ(table.print(OutputFormat::kCsv), "key\n\"a\r\nb\"\n");
  EXPECT_EQ(table.print(OutputFormat::kMarkdown), "| key |\n| --- |\n| a  b |\n");
  EXPECT_EQ(table.print(OutputFormat::kTable), "key\na\uFFFD\uFFFDb\n");
}

TEST(TablePrinter, KeepsSpreadsheetsFromRunningACell) {
  TablePrinter table({"key"});
  table.row({"=cmd|' /C calc'!A0"});
  EXPECT_EQ(table.print(OutputFormat::kCsv), "key\n'=cmd|' /C calc'!A0\n");
}

}  // namespace
}  // namespace fleetmeter::app
