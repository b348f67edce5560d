#include "aggregator/column.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <random>
#include <span>
#include <type_traits>
#include <vector>

namespace fleetmeter::aggregator {
namespace {

template <typename T>
proto::Column written(const std::vector<T>& values) {
  proto::Column column;
  write_column(std::span<const T>(values), column);
  return column;
}

template <typename T>
std::vector<T> read(const proto::Column& column, std::size_t count) {
  std::vector<T> values{T{}, T{}};  // What was there before goes.
  EXPECT_TRUE(read_column(column, count, values));
  return values;
}

template <typename T>
using BitsOf = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;

/// Values that differ in some of their bytes.
template <typename T>
std::vector<T> some_values(std::mt19937_64& random) {
  using Bits = BitsOf<T>;
  Bits varying = 0;
  for (std::size_t byte = 0; byte < sizeof(T); ++byte)
    varying |= random() % 3 == 0 ? Bits{0xff} << (8 * byte) : 0;
  const auto common = static_cast<Bits>(random());
  std::vector<T> values(random() % 100);
  for (T& value : values) {
    value = std::bit_cast<T>((common & ~varying) | (static_cast<Bits>(random()) & varying));
  }
  return values;
}

template <typename T>
class ColumnTest : public testing::Test {};
using Types = testing::Types<std::uint32_t, std::uint64_t, std::int64_t, double>;
TYPED_TEST_SUITE(ColumnTest, Types);

TYPED_TEST(ColumnTest, HoldsEveryBitOfAnyValues) {
  std::mt19937_64 random(4);
  for (int round = 0; round < 500; ++round) {
    const std::vector<TypeParam> values = some_values<TypeParam>(random);
    const auto back = read<TypeParam>(written(values), values.size());
    ASSERT_EQ(back.size(), values.size());
    using Bits = BitsOf<TypeParam>;
    for (std::size_t i = 0; i < values.size(); ++i)
      ASSERT_EQ(std::bit_cast<Bits>(back[i]), std::bit_cast<Bits>(values[i]));
  }
}

TYPED_TEST(ColumnTest, EqualValuesTakeNoPlane) {
  const std::vector<TypeParam> values(1000, TypeParam{7});
  EXPECT_TRUE(written(values).planes().empty());
  EXPECT_EQ(read<TypeParam>(written(values), 1000), values);
}

TEST(Column, OnlyBytesThatDifferTakeAPlane) {
  const proto::Column column = written<std::uint64_t>({0x55AA01, 0x55BB01, 0x55CC01});
  EXPECT_EQ(column.common(), 0x550001u);
  EXPECT_EQ(column.varying(), 2u);
  EXPECT_EQ(column.planes(), "\xAA\xBB\xCC");
}

TEST(Column, WhatDoesNotFitIsRefused) {
  const proto::Column good = written<std::uint32_t>({1, 2, 300});
  std::vector<std::uint32_t> narrow;
  std::vector<std::uint64_t> wide;
  ASSERT_TRUE(read_column(good, 3, narrow));
  EXPECT_FALSE(read_column(good, 2, narrow));
  EXPECT_FALSE(read_column(good, 4, narrow));
  proto::Column cut = good;
  cut.mutable_planes()->pop_back();
  EXPECT_FALSE(read_column(cut, 3, narrow));
  proto::Column unknown = good;
  unknown.set_varying(good.varying() | 1u << 8);
  EXPECT_FALSE(read_column(unknown, 3, wide)) << "no value has nine bytes";
  const proto::Column large = written<std::uint64_t>({1ull << 40, 2ull << 40});
  EXPECT_FALSE(read_column(large, 2, narrow));
  proto::Column above;
  above.set_common(1ull << 32);
  EXPECT_FALSE(read_column(above, 1, narrow));
  EXPECT_TRUE(read_column(above, 1, wide));
}

}  // namespace
}  // namespace fleetmeter::aggregator
