#include "parsers/flow_values.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

namespace fleetmeter::parsers {
namespace {

std::optional<std::uint64_t> number(const std::string& text) {
  std::uint64_t value = 0;
  // Twice: with bytes to read behind the token, and with none.
  const std::string padded = text + "        ";
  const bool first = parse_number(padded.data(), text.size(), padded.data() + padded.size(), value);
  const std::vector<char> exact(text.begin(), text.end());
  std::uint64_t again = 0;
  const bool second = parse_number(exact.data(), exact.size(), exact.data() + exact.size(), again);
  EXPECT_EQ(first, second) << text;
  if (!first) return std::nullopt;
  EXPECT_EQ(value, again) << text;
  return value;
}

TEST(ParseNumber, AgreesWithTheLibraryOnNumbersOfEveryLength) {
  std::mt19937_64 random{7};
  for (std::uint64_t limit = 10; limit < 1000000000000000000; limit *= 10) {
    for (int i = 0; i < 50; ++i) {
      const std::uint64_t value = random() % limit;
      EXPECT_EQ(number(std::to_string(value)), value);
    }
  }
  EXPECT_EQ(number("9223372036854775807"), 9223372036854775807u);
}

TEST(ParseNumber, RefusesAnyOtherByteAtAnyPlace) {
  for (std::size_t length = 1; length <= 19; ++length) {
    for (std::size_t at = 0; at < length; ++at) {
      for (const char wrong : {'-', '+', '.', '/', ':', 'a', ' ', '\0', '\xb5'}) {
        std::string text(length, '7');
        text[at] = wrong;
        EXPECT_EQ(number(text), std::nullopt) << text;
      }
    }
  }
  EXPECT_EQ(number(""), std::nullopt);
  EXPECT_EQ(number("12345678901234567890"), std::nullopt);
}

TEST(ParseAddress, RoundTripsThroughTheLibrarysText) {
  std::mt19937_64 random{11};
  for (int i = 0; i < 2000; ++i) {
    unsigned char bytes[16];
    for (unsigned char& byte : bytes)
      byte = random() % 3 == 0 ? 0 : static_cast<unsigned char>(random());
    char text[INET6_ADDRSTRLEN];
    IpAddress address;
    ASSERT_NE(inet_ntop(AF_INET, bytes, text, sizeof text), nullptr);
    ASSERT_TRUE(parse_address(text, std::strlen(text), address)) << text;
    EXPECT_TRUE(address.is_v4());
    EXPECT_EQ(address.v4(), std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 |
                                std::uint32_t{bytes[2]} << 8 | bytes[3]);
    ASSERT_NE(inet_ntop(AF_INET6, bytes, text, sizeof text), nullptr);
    ASSERT_TRUE(parse_address(text, std::strlen(text), address)) << text;
    EXPECT_EQ(address.high >> 56, bytes[0]);
    EXPECT_EQ(address.low & 255, bytes[15]);
  }
}

TEST(ParseAddress, RefusesWhatIsNone) {
  for (const std::string text :
       {"1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.04", "1..2.3", "1.2.3.4 ", "10.0.0.1234",
        "::1%eth0", "[::1]", "12345::", "eni-1235b8ca", "a.b.c.d", "", "1.2.3.", ".1.2.3"}) {
    IpAddress address;
    EXPECT_FALSE(parse_address(text.data(), text.size(), address)) << text;
  }
}

TEST(BlankMask, MarksExactlyTheBytesUpToSpace) {
  for (int byte = 0; byte < 256; ++byte) {
    char bytes[8] = {'a', static_cast<char>(byte), 'b', ' ', static_cast<char>(byte), 'z', '\n',
                     '~'};
    const std::uint64_t mask = blank_mask(load_word(bytes));
    for (int i = 0; i < 8; ++i) {
      EXPECT_EQ((mask >> (8 * i + 7)) & 1, static_cast<unsigned char>(bytes[i]) <= ' ' ? 1u : 0u)
          << byte << " at " << i;
    }
  }
}

}  // namespace
}  // namespace fleetmeter::parsers
