// SPDX-License-Identifier: BSD-3-Clause
// Text writes numbers as a standard stream of the "C" locale does.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <iomanip>
#include <limits>
#include <random>
#include <sstream>

#include "core/text.hpp"

namespace npconv::test {
namespace {

TEST(Text, WritesNumbersAsAStreamDoes) {
    std::mt19937_64 random(1);
    for (int i = 0; i < 20000; ++i) {
        const double magnitude = std::ldexp(1.0, static_cast<int>(random() % 200) - 100);
        const double number = (static_cast<double>(random() % 2'000'001) - 1e6) / 64 * (i % 2 ? 1 : magnitude);
        std::ostringstream stream;
        stream << number << " of " << std::setprecision(3) << number << '|';
        Text text;
        (text << number << " of ").number(number, 3) << "|";
        ASSERT_EQ(text.str(), stream.str());
    }
    Text text;
    text << std::numeric_limits<std::int64_t>::min() << " " << std::uint64_t{1} << " " << std::numeric_limits<double>::infinity();
    EXPECT_EQ(text.str(), "-9223372036854775808 1 inf");
}

}  // namespace
}  // namespace npconv::test
