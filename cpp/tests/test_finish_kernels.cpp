// SPDX-License-Identifier: BSD-3-Clause
// From sums to the output, by the three ways there are: a tile of either order of lanes, and the transposition. Bias, residual, clip and
// activation, for every size of tile and every count of pixels and channels around the width of a vector, with the output's gaps and
// surroundings untouched.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <vector>

#include "core/split.hpp"
#include "gemm_call.hpp"

namespace npconv::test {
namespace {

enum Extras : unsigned { bias = 1, residual = 2, residual_is_y = 4, clip = 8, leaky = 16 };
constexpr unsigned all_extras[] = {0, bias, residual, clip, leaky, bias | residual | leaky, bias | residual_is_y | clip};

// An output with gaps between its rows, and all that is added to it. A row is a pixel (channels last) or a channel (channels first).
template <class T>
struct Canvas {
    static constexpr std::int64_t gap = 3;

    Canvas(bool channels_last, std::int64_t pixel_count, std::int64_t channel_count, unsigned added, GuardPages side, Random& random)
        : last(channels_last),
          pixels(pixel_count),
          channels(channel_count),
          extras(added),
          rows(last ? pixels : channels),
          columns(last ? channels : pixels),
          y((rows - 1) * (columns + gap) + columns, side),
          r(y.size(), side),
          b(channels, side) {
        for (std::int64_t c = 0; c < channels; ++c) {
            b[c] = random.real<T>();
            for (std::int64_t i = 0; i < pixels; ++i) r[place(i, c)] = random.real<T>();
        }
        if (extras & residual_is_y) std::copy(r.begin(), r.end(), y.begin());
        expected.assign(y.begin(), y.end());
        output.y = y.data();
        output.y_stride = output.residual_stride = columns + gap;
        output.channels = channels;
        if (extras & bias) output.bias = b.data();
        if (extras & residual) output.residual = r.data();
        if (extras & residual_is_y) output.residual = y.data();
        if (extras & clip) output.activation = Activation::clip;
        if (extras & leaky) output.activation = Activation::leaky_relu;
        output.a = extras & clip ? T(-0.5) : T(0.125);
        output.b = T(0.25);
    }

    std::int64_t place(std::int64_t pixel, std::int64_t channel) const {
        return last ? pixel * (columns + gap) + channel : channel * (columns + gap) + pixel;
    }

    // Now y[pixel, channel] must become what `sum` makes it: scalars in the same order.
    void expect(std::int64_t pixel, std::int64_t channel, T sum) {
        if (extras & bias) sum += b[channel];
        if (extras & (residual | residual_is_y)) sum += r[place(pixel, channel)];
        if (extras & clip) sum = sum < output.a ? output.a : sum > output.b ? output.b : sum;
        if (extras & leaky) sum = sum < 0 ? sum * output.a : sum;
        expected[static_cast<std::size_t>(place(pixel, channel))] = sum;
    }

    // All of y: what was not expected to change has not.
    void check() const {
        EXPECT_TRUE(same(y.data(), expected.data(), y.size()))
            << (last ? "channels last, " : "channels first, ") << pixels << " pixels, " << channels << " channels, extras " << extras;
        EXPECT_TRUE(y.canaries_intact() && r.canaries_intact() && b.canaries_intact());
    }

    bool last;
    std::int64_t pixels, channels;
    unsigned extras;
    std::int64_t rows, columns;
    Guarded<T> y, r, b;
    Output<T> output{};
    std::vector<T> expected;
};

// Mostly numbers, some NaN.
template <class T>
T some_sum(Random& random) {
    return random.integer(0, 15) == 0 ? std::numeric_limits<T>::quiet_NaN() : random.real<T>();
}

template <class T>
std::vector<std::int64_t> shuffled(std::int64_t n, Random& random) {
    std::vector<std::int64_t> order(static_cast<std::size_t>(n));
    std::iota(order.begin(), order.end(), 0);
    for (std::int64_t i = n - 1; i > 0; --i)
        std::swap(order[static_cast<std::size_t>(i)], order[static_cast<std::size_t>(random.integer(0, i))]);
    return order;
}

// A tile that sums up nothing more (there are no segments): what stands in `sums` goes out.
template <class T>
GemmTile<T> finishing(const Call<T>& c, const Output<T>& output) {
    GemmTile<T> t = c.tile(true);
    t.segments = 0;
    t.output = &output;
    return t;
}

// lane = channel: pixels scattered over twice as many, the first and the last among them; `tail` channels in the last vector.
template <class T>
void finish_channel_tile(const Kernels<T>& kernels, int m, int v, std::int64_t tail, unsigned extras, GuardPages side, Random& random) {
    Call<T> c(kernels, Lane::channel, m, v, 0, side);
    const std::int64_t channels = (v - 1) * kernels.lanes + tail, all = 2 * m - 1;
    Canvas<T> y(true, all, channels, extras, side, random);
    const std::vector<std::int64_t> order = shuffled<T>(m, random);
    Guarded<T> sums(all * c.channels, side);  // lanes without a channel: NaN
    for (int i = 0; i < m; ++i) {
        c.place[i] = 2 * order[static_cast<std::size_t>(i)];
        for (std::int64_t j = 0; j < channels; ++j) {
            const T sum = some_sum<T>(random);
            sums[c.place[i] * c.channels + j] = sum;
            y.expect(c.place[i], j, sum);
        }
    }
    GemmTile<T> t = finishing(c, y.output);
    t.sums = sums.data();
    c.run(t);
    y.check();
}

// lane = pixel: vectors in any order, with pixels of others between them, each with a count of its own; the last ends with the row.
template <class T>
void finish_pixel_tile(const Kernels<T>& kernels, int m, int v, std::int64_t least_count, unsigned extras, GuardPages side,
                       Random& random) {
    Call<T> c(kernels, Lane::pixel, m, v, 0, side);
    const std::vector<std::int64_t> order = shuffled<T>(v, random);
    Guarded<std::int64_t> index(v, side), count(v, side);
    std::int64_t all = 0;
    for (const std::int64_t j : order) {
        all += all > 0 ? random.integer(0, 2) : 0;
        index[j] = all;
        count[j] = random.integer(least_count, random.integer(0, 1) ? least_count : kernels.lanes);
        all += count[j];
    }
    Canvas<T> y(false, all, m, extras, side, random);
    Guarded<T> sums((v + 1) * m * kernels.lanes, side);  // one vector more than the tile has
    for (std::int64_t j = 0; j < v; ++j) {
        c.place[j] = v - j;
        for (std::int64_t i = 0; i < m; ++i) {
            for (std::int64_t l = 0; l < count[j]; ++l) {
                const T sum = some_sum<T>(random);
                sums[(c.place[j] * m + i) * kernels.lanes + l] = sum;
                y.expect(index[j] + l, i, sum);
            }
        }
    }
    GemmTile<T> t = finishing(c, y.output);
    t.sums = sums.data();
    t.index = index.data();
    t.count = count.data();
    c.run(t);
    y.check();
    EXPECT_TRUE(index.canaries_intact() && count.canaries_intact());
}

template <class T>
void transpose(const Kernels<T>& kernels, std::int64_t pixels, std::int64_t channels, unsigned extras, GuardPages side, Random& random) {
    const std::int64_t stride = ceil_div(channels, kernels.lanes) * kernels.lanes;
    Canvas<T> y(false, pixels, channels, extras, side, random);
    Guarded<T> sums(pixels * stride, side);
    for (std::int64_t i = 0; i < pixels; ++i) {
        for (std::int64_t c = 0; c < channels; ++c) {
            sums[i * stride + c] = some_sum<T>(random);
            y.expect(i, c, sums[i * stride + c]);
        }
    }
    kernels.transpose_sums({sums.data(), stride, pixels, y.output});
    y.check();
    EXPECT_TRUE(sums.canaries_intact());
}

template <class T>
class FinishKernels : public ::testing::Test {};
TYPED_TEST_SUITE(FinishKernels, Elements);

TYPED_TEST(FinishKernels, EveryTileAndEveryTail) {
    using T = TypeParam;
    Random random(1);
    for_each_tile<T>([&](const KernelTable&, const Kernels<T>& kernels, Lane lane, int m, int v, GuardPages side) {
        for (std::int64_t n = 1; n <= kernels.lanes; ++n) {
            for (const unsigned extras : all_extras) {
                if (lane == Lane::pixel) {
                    finish_pixel_tile(kernels, m, v, n, extras, side, random);
                } else {
                    finish_channel_tile(kernels, m, v, n, extras, side, random);
                }
                if (this->HasFailure()) return;
            }
        }
    });
}

TYPED_TEST(FinishKernels, TransposeEveryCountOfPixelsAndChannels) {
    using T = TypeParam;
    Random random(2);
    for_each_set<T>([&](const KernelTable&, const Kernels<T>& kernels) {
        const std::int64_t most = 2 * kernels.lanes + 1;
        for (std::int64_t pixels = 1; pixels <= most; ++pixels) {
            for (std::int64_t channels = 1; channels <= most; ++channels) {
                for (const unsigned extras : all_extras) {
                    transpose(kernels, pixels, channels, extras, guard_sides[random.integer(0, 1)], random);
                    if (this->HasFailure()) return;
                }
            }
        }
    });
}

// The vectors that end at a guard page and begin at one, for all remainders: both sides.
TYPED_TEST(FinishKernels, TransposeStaysBetweenGuardPages) {
    using T = TypeParam;
    Random random(3);
    for_each_set<T>([&](const KernelTable&, const Kernels<T>& kernels) {
        for (std::int64_t rest = 1; rest <= kernels.lanes + 1; ++rest) {
            for (const GuardPages side : guard_sides) {
                transpose(kernels, rest, 2 * kernels.lanes - 1, bias | residual | clip, side, random);
                transpose(kernels, 2 * kernels.lanes - 1, rest, bias | residual | leaky, side, random);
                if (this->HasFailure()) return;
            }
        }
    });
}

// The last product and the way out in one call: A.I is A, in y, whether the sums began at zero or where a block before left them.
TYPED_TEST(FinishKernels, SumsAndLeavesInOneCall) {
    using T = TypeParam;
    Random random(4);
    for_each_tile<T>([&](const KernelTable&, const Kernels<T>& kernels, Lane lane, int m, int v, GuardPages side) {
        const bool pixel = lane == Lane::pixel;
        for (const bool accumulate : {false, true}) {
            Call<T> c(kernels, lane, m, v, pixel ? m : v * kernels.lanes, side);
            for (T& a : c.x) a = random.small_integer<T>();
            for (std::int64_t k = 0; k < c.depth; ++k) {
                for (std::int64_t j = 0; j < c.channels; ++j) c.weight(k, j) = k == j ? T(1) : T(0);
            }
            if (accumulate) std::fill(c.sums.begin(), c.sums.end(), T(100));
            const std::vector<T> before(c.sums.begin(), c.sums.end());
            Canvas<T> y(!pixel, c.pixels, c.channels, 0, side, random);
            for (std::int64_t p = 0; p < c.pixels; ++p) {
                for (std::int64_t j = 0; j < c.channels; ++j) y.expect(p, j, c.input(p, j) + T(accumulate ? 100 : 0));
            }
            std::vector<std::int64_t> index, count(static_cast<std::size_t>(v), kernels.lanes);
            for (int j = 0; j < v; ++j) index.push_back(j * kernels.lanes);
            GemmTile<T> t = c.tile(accumulate);
            if (pixel) {
                t.index = index.data();
                t.count = count.data();
            }
            t.output = &y.output;
            c.run(t);
            y.check();
            EXPECT_TRUE(same(c.sums.data(), before.data(), c.sums.size())) << "finished sums need not go back";
        }
    });
}

// Every activation, bit by bit the same by all three ways, for whole vectors and parts of one.
TYPED_TEST(FinishKernels, ActivationsAreTheSameByEveryWay) {
    using T = TypeParam;
    Random random(5);
    for_each_set<T>([&](const KernelTable&, const Kernels<T>& kernels) {
        const std::int64_t n = kernels.lanes;
        for (const Activation kind : {Activation::none, Activation::clip, Activation::leaky_relu, Activation::sigmoid, Activation::tanh,
                                      Activation::silu, Activation::hardswish, Activation::gelu, Activation::gelu_tanh}) {
            Canvas<T> rows(true, 1, n, bias | residual, GuardPages::after, random), alone(true, 1, n, 0, GuardPages::after, random);
            Guarded<T> sums(n * n, GuardPages::after);  // of a pixel, and then of no pixels
            std::fill(sums.begin(), sums.end(), T(0));
            for (std::int64_t c = 0; c < n; ++c) sums[c] = (c % 2 ? T(4) : T(-3)) + random.real<T>() / 4;
            const std::int64_t pixel = 0;
            const auto leave = [&](Canvas<T>& y, Activation activation) {
                y.output.activation = activation;
                y.output.a = T(-0.5);
                y.output.b = T(0.75);
                GemmTile<T> t{};
                t.at = t.index = &pixel;
                t.sums = sums.data();
                t.accumulate = true;
                t.output = &y.output;
                kernels.channel_tile[0][0](t);
            };
            leave(rows, Activation::none);  // before the activation
            std::copy(rows.y.begin(), rows.y.end(), sums.begin());
            leave(alone, kind);
            const std::vector<T> before(sums.begin(), sums.begin() + n), wanted(alone.y.begin(), alone.y.end());
            EXPECT_EQ(same(before.data(), wanted.data(), n), kind == Activation::none) << "the activation changes something";
            for (std::int64_t pixels = 1; pixels <= n; ++pixels) {
                Guarded<T> column(pixels * n, GuardPages::after), y(n, GuardPages::after);  // one channel
                for (std::int64_t i = 0; i < pixels; ++i) column[i * n] = before[static_cast<std::size_t>(i)];
                Output<T> o = alone.output;
                o.y = y.data();
                o.channels = 1;
                kernels.transpose_sums({column.data(), n, pixels, o});
                EXPECT_TRUE(same(y.data(), wanted.data(), pixels)) << "transposed, activation " << static_cast<int>(kind);
                std::fill(y.begin(), y.end(), T(0));
                GemmTile<T> t{};
                t.at = t.index = t.slot = &pixel;
                t.count = &pixels;
                t.sums = sums.data();
                t.accumulate = true;
                t.output = &o;
                kernels.pixel_tile[0][0](t);
                EXPECT_TRUE(same(y.data(), wanted.data(), pixels)) << "lane = pixel, activation " << static_cast<int>(kind);
                EXPECT_EQ(std::count(y.data() + pixels, y.end(), T(0)), n - pixels);
            }
        }
    });
}

TYPED_TEST(FinishKernels, InfinityPassesAndIsClipped) {
    using T = TypeParam;
    constexpr T infinity = std::numeric_limits<T>::infinity();
    Random random(6);
    for_each_set<T>([&](const KernelTable&, const Kernels<T>& kernels) {
        const std::int64_t n = kernels.lanes, pixel = 0, two = 2;
        std::vector<T> sums(static_cast<std::size_t>(n * n), T(0));
        sums[0] = infinity;
        sums[1] = -infinity;
        for (const bool clipped : {false, true}) {
            const unsigned extras = clipped ? clip | 0U : 0U;
            Canvas<T> last(true, 1, 2, extras, GuardPages::after, random), first(false, 2, 1, extras, GuardPages::after, random),
                transposed(false, 1, 2, extras, GuardPages::after, random);
            GemmTile<T> t{};
            t.at = t.index = t.slot = &pixel;
            t.count = &two;
            t.sums = sums.data();
            t.accumulate = true;
            t.output = &last.output;
            kernels.channel_tile[0][0](t);
            t.output = &first.output;
            kernels.pixel_tile[0][0](t);
            kernels.transpose_sums({sums.data(), n, 1, transposed.output});
            for (const Canvas<T>* y : {&last, &first, &transposed}) {
                const bool two_pixels = y->pixels == 2;
                EXPECT_EQ(y->y[0], clipped ? T(0.25) : infinity);
                EXPECT_EQ(y->y[y->place(two_pixels ? 1 : 0, two_pixels ? 0 : 1)], clipped ? T(-0.5) : -infinity);
            }
        }
    });
}

}  // namespace
}  // namespace npconv::test
