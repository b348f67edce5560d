// Any bytes: the decoder neither crashes nor reads past its input; what it yields and counts does
// not depend on where a stream is cut, a stream resumed at any point goes on exactly, one that was
// read to its end and has grown loses nothing, and what is read without a fault is the same as one
// message. Three bytes choose the pieces, one the point of the restart; the rest is the stream.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "proto/check.h"
#include "tests/fuzz/decode_outcome.h"
#include "tests/fuzz/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace fleetmeter::fuzz;
  FuzzInput input{data, size};
  const Pieces pieces{input};
  const std::size_t stop_in_256 = input.choice();
  const ExactBlock block{input.rest()};
  const std::string_view bytes = block.view();

  const Outcome message = decode_message(bytes);
  const Outcome stream = decode_stream(bytes);
  if (stream.whole && !stream.any_dropped() && !message.any_dropped()) {
    FM_CHECK(message.yield == stream.yield);
  }
  check_cuts(bytes, pieces);
  check_resume(bytes, bytes.size() * stop_in_256 / 256, pieces);
  check_growth(bytes, bytes.size() * stop_in_256 / 256);
  return 0;
}
