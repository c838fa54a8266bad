// SPDX-License-Identifier: BSD-3-Clause
// The kernel whose rows of outputs share what is loaded, of every set that has it, bit by bit as a scalar loop in the order of the taps.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/split.hpp"
#include "guarded.hpp"
#include "shapes.hpp"

namespace npconv::test {
namespace {

using Size = std::int64_t;

template <class T>
class DepthwiseRowTilesTest : public ::testing::Test {};
TYPED_TEST_SUITE(DepthwiseRowTilesTest, Elements);

// A volume [plane][row][column][channel] with a border of zeros of `pad` around rows and columns, all planes of which are summed.
struct Volume {
    Size planes, height, width, channels, pad;
    Size group;  // channels of one
    Activation activation;

    Size rows() const { return height + 2 * pad - 2; }
    Size columns() const { return width + 2 * pad - 2; }
};

std::ostream& operator<<(std::ostream& to, const Volume& v) {
    return to << v.planes << " x " << v.height << " x " << v.width << " x " << v.channels << ", padding " << v.pad;
}

template <class T>
void check(const KernelTable& table, const Volume& v, GuardPages side, Random& random) {
    SCOPED_TRACE(::testing::Message() << v);
    const auto& kernels = depthwise_kernels_of<T>(table);
    const auto kernel = v.group == 1 ? kernels.row_tiles : kernels.grouped_row_tiles;
    const Size lanes = kernels_of<T>(table).lanes, taps = 9 * v.planes, of_vector = v.group * taps * lanes,
               vectors = ceil_div(v.channels, lanes);
    Guarded<T> x(v.planes * v.height * v.width * v.channels, side), w(vectors * of_vector, side),
        y(v.rows() * v.columns() * v.channels, side), r(y.size(), side), bias(v.channels, side);
    for (Guarded<T>* a : {&x, &w, &r, &bias}) {
        for (T& value : *a) value = random.real<T>();
    }
    const EvenSplit split = split_by(v.rows(), random.integer(1, depthwise_rows));
    std::vector<TapPlane> planes;
    std::vector<RowTile> tiles;
    for (Size i = 0; i < split.parts; ++i) {
        const Size line = split.begin(i) - v.pad, first = static_cast<Size>(planes.size());
        for (Size t = 0; t < v.planes; ++t) {
            planes.push_back({((t * v.height + line) * v.width - v.pad) * v.channels, -line, v.height - line, 9 * t});
        }
        tiles.push_back({first, static_cast<Size>(planes.size()), split.length(i), split.begin(i) * v.columns()});
    }
    DepthwiseRowTiles<T> d{};
    d.x = x.data();
    d.pixel = v.channels;
    d.row = v.width * v.channels;
    d.vector = lanes;
    d.group = v.group;
    d.w = w.data();
    d.taps = taps;
    d.begin = v.pad;
    d.end = v.width + v.pad;
    d.plane = planes.data();
    d.tile = tiles.data();
    d.tiles = split.parts;
    d.pixels = v.columns();
    d.output = Output<T>{y.data(), v.channels, bias.data(), r.data(), v.channels, v.channels, v.activation, T(0.125), T(2)};
    kernel(d);
    for (Size i = 0; i < v.rows(); ++i) {
        for (Size j = 0; j < v.columns(); ++j) {
            for (Size c = 0; c < v.channels; ++c) {
                T sum = 0;
                for (Size n = 0; n < taps * v.group; ++n) {  // row of taps, channel of the group, tap
                    const Size k = n / (3 * v.group) * 3 + n % 3, g = n / 3 % v.group, from = c / v.group * v.group + g;
                    const Size row = i + k / 3 % 3 - v.pad, column = j + k % 3 - v.pad;
                    if (row < 0 || row >= v.height || column < 0 || column >= v.width) continue;
                    sum = std::fma(x[((k / 9 * v.height + row) * v.width + column) * v.channels + from],
                                   w[c / lanes * of_vector + (g * taps + k) * lanes + c % lanes], sum);
                }
                const Size at = (i * v.columns() + j) * v.channels + c;
                sum = sum + bias[c] + r[at];
                if (v.activation == Activation::clip) sum = std::min(T(2), std::max(T(0.125), sum));
                if (v.activation == Activation::leaky_relu) sum = sum < 0 ? sum * T(0.125) : sum;
                ASSERT_EQ(y[at], sum) << "row " << i << ", column " << j << ", channel " << c;
            }
        }
    }
    EXPECT_TRUE(x.canaries_intact() && w.canaries_intact() && y.canaries_intact() && r.canaries_intact() && bias.canaries_intact());
}

TYPED_TEST(DepthwiseRowTilesTest, AsAScalarLoopBitByBit) {
    using T = TypeParam;
    Random random(1);
    for_each_set<T>([&](const KernelTable& table, const Kernels<T>& kernels) {
        EXPECT_EQ(depthwise_kernels_of<T>(table).row_tiles != nullptr, std::string(table.isa) == "avx512");
        if (!depthwise_kernels_of<T>(table).row_tiles) return;
        for (const Size pad : {0, 1, 2}) {
            for (Size width = 3; width <= 24; ++width) {
                const Size group = Size{1} << (kernels.lanes > 1 ? random.integer(0, 3) : 0);
                const Size channels[] = {group, kernels.lanes, 2 * kernels.lanes + 3 * group};
                const Activation activations[] = {Activation::none, Activation::clip, Activation::leaky_relu};
                const Size chosen = channels[random.integer(0, 2)];
                const Volume v{random.integer(1, 3), random.integer(3, 9), width, chosen, pad, group, activations[random.integer(0, 2)]};
                check<T>(table, v, guard_sides[random.integer(0, 1)], random);
                if (this->HasFatalFailure()) return;
            }
        }
    });
}

}  // namespace
}  // namespace npconv::test
