#include "parsers/base64.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "tests/parsers/recorder.h"

namespace fleetmeter::parsers::testing {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// By a kernel, in blocks of their own that are `lead` bytes off alignment and end where text and
/// room end, so that a sanitizer sees any touch outside of them. "no base64" for what is none.
std::string decoded_by(FlowKernel kernel, std::string_view text, std::size_t lead = 0) {
  std::vector<char> from(lead + text.size());
  std::copy(text.begin(), text.end(), from.begin() + static_cast<std::ptrdiff_t>(lead));
  std::vector<char> room(lead + base64_room(text.size()));
  const std::optional<std::size_t> bytes =
      decode_base64_by(kernel, {from.data() + lead, text.size()}, room.data() + lead);
  return bytes ? std::string{room.data() + lead, *bytes} : "no base64";
}

std::vector<FlowKernel> vector_kernels() {
  std::vector<FlowKernel> kernels;
  for (const FlowKernel kernel : kFlowKernels) {
    if (kernel != FlowKernel::kScalar && is_supported(kernel)) kernels.push_back(kernel);
  }
  return kernels;
}

TEST(Base64Kernels, DecodeWhatWasEncodedAtEveryLengthAndAlignment) {
  std::mt19937 random{20260101};
  for (std::size_t length = 0; length <= 300; ++length) {
    std::string bytes(length, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    for (const FlowKernel kernel : kFlowKernels) {
      if (!is_supported(kernel)) continue;
      ASSERT_EQ(decoded_by(kernel, base64(bytes), length % 64), bytes)
          << to_string(kernel) << ' ' << length;
    }
  }
}

TEST(Base64Kernels, AgreeWithTheScalarOneOnAnyLengthWhateverTheBytes) {
  std::mt19937 random{7};
  for (std::size_t length = 0; length <= 300; ++length) {
    for (std::uint32_t round = 0; round < 20; ++round) {
      std::string text(length, 'A');
      for (char& c : text) c = kAlphabet[random() % kAlphabet.size()];
      // None, one or a few bytes of any kind at any place.
      for (std::uint32_t i = random() % 4; i > 0 && length > 0; --i)
        text[random() % length] = static_cast<char>(random());
      const std::string expected = decoded_by(FlowKernel::kScalar, text);
      for (const FlowKernel kernel : vector_kernels()) {
        ASSERT_EQ(decoded_by(kernel, text, round), expected)
            << to_string(kernel) << ' ' << length << ' ' << round;
      }
    }
  }
}

TEST(Base64Kernels, RefuseEveryByteOutsideTheAlphabetInEveryLane) {
  for (const FlowKernel kernel : vector_kernels()) {
    for (std::size_t at = 0; at < 128; ++at) {
      for (int c = 0; c < 256; ++c) {
        std::string text(132, 'A');
        text[at] = static_cast<char>(c);
        const bool is_good = kAlphabet.find(static_cast<char>(c)) != std::string_view::npos;
        ASSERT_EQ(decoded_by(kernel, text) != "no base64", is_good)
            << to_string(kernel) << ' ' << at << ' ' << c;
      }
    }
  }
}

}  // namespace
}  // namespace fleetmeter::parsers::testing
