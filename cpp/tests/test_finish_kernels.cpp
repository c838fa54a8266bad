// SPDX-License-Identifier: BSD-3-Clause
// From accumulators to the output: transposition, bias, residual and clip, for every count of pixels and channels around the width of a
// vector, in both layouts, with the output's gaps and surroundings untouched.
#include <gtest/gtest.h>

#include <limits>
#include <string>
#include <vector>

#include "compare.hpp"
#include "guarded.hpp"

namespace npconv::test {
namespace {

enum Extras : unsigned { bias = 1, residual = 2, residual_is_y = 4, clip = 8 };

// A panel of accumulators, and an output with gaps between its rows. A row is a pixel (channels last) or a channel (channels first).
template <class T>
struct Panel {
    static constexpr std::int64_t gap = 3;

    Panel(int lanes, bool channels_last, std::int64_t pixel_count, std::int64_t channel_count, GuardPages side)
        : last(channels_last),
          pixels(pixel_count),
          channels(channel_count),
          acc_stride((channels + lanes - 1) / lanes * lanes),
          rows(last ? pixels : channels),
          columns(last ? channels : pixels),
          acc(pixels * acc_stride, side),
          y(extent(), side),
          r(extent(), side),
          b(channels, side) {}

    std::int64_t extent() const { return (rows - 1) * (columns + gap) + columns; }
    std::int64_t place(std::int64_t pixel, std::int64_t channel) const {
        return last ? pixel * (columns + gap) + channel : channel * (columns + gap) + pixel;
    }

    FinishPanel<T> arguments() const {
        FinishPanel<T> f{};
        f.acc = acc.data();
        f.acc_stride = acc_stride;
        f.pixels = pixels;
        f.channels = channels;
        f.y = y.data();
        f.y_stride = columns + gap;
        f.activation = Activation::none;
        return f;
    }

    void run(const Kernels<T>& kernels, const FinishPanel<T>& f) const {
        (last ? kernels.finish_channels_last : kernels.finish_channels_first)(f);
        EXPECT_TRUE(acc.canaries_intact() && y.canaries_intact() && r.canaries_intact() && b.canaries_intact());
        for (std::int64_t row = 0; row + 1 < rows; ++row) {
            const std::vector<T> untouched(gap, std::numeric_limits<T>::quiet_NaN());
            EXPECT_TRUE(same(y.data() + row * (columns + gap) + columns, untouched.data(), gap));
        }
    }

    bool last;
    std::int64_t pixels, channels, acc_stride, rows, columns;
    Guarded<T> acc, y, r, b;
};

// One panel with the extras, compared with scalars in the same order. Some accumulators are NaN.
template <class T>
void check(const Kernels<T>& kernels, bool channels_last, std::int64_t pixels, std::int64_t channels, unsigned extras, GuardPages side,
           Random& random) {
    Panel<T> p(kernels.lanes, channels_last, pixels, channels, side);
    FinishPanel<T> f = p.arguments();
    for (std::int64_t c = 0; c < channels; ++c) {
        p.b[c] = random.real<T>();
        for (std::int64_t i = 0; i < pixels; ++i) {
            if (random.integer(0, 15) != 0) p.acc[i * p.acc_stride + c] = random.real<T>();  // all else stays NaN
            p.r[p.place(i, c)] = random.real<T>();
        }
    }
    if (extras & bias) f.bias = p.b.data();
    if (extras & (residual | residual_is_y)) {
        f.residual_stride = f.y_stride;
        f.residual = p.r.data();
    }
    if (extras & residual_is_y) {
        std::copy(p.r.begin(), p.r.end(), p.y.begin());
        f.residual = p.y.data();
    }
    if (extras & clip) {
        f.activation = Activation::clip;
        f.a = T(-0.5);
        f.b = T(0.25);
    }
    p.run(kernels, f);
    for (std::int64_t i = 0; i < pixels; ++i) {
        for (std::int64_t c = 0; c < channels; ++c) {
            T expected = p.acc[i * p.acc_stride + c];
            if (f.bias) expected += p.b[c];
            if (f.residual) expected += p.r[p.place(i, c)];
            if (extras & clip) expected = expected < f.a ? f.a : expected > f.b ? f.b : expected;
            ASSERT_TRUE(same(p.y[p.place(i, c)], expected))
                << (channels_last ? "channels last, " : "channels first, ") << pixels << " pixels, " << channels << " channels, extras "
                << extras << ": pixel " << i << ", channel " << c << " is " << p.y[p.place(i, c)] << ", expected " << expected;
        }
    }
}

template <class T>
class FinishKernels : public ::testing::Test {};
TYPED_TEST_SUITE(FinishKernels, Elements);

TYPED_TEST(FinishKernels, EveryCountOfPixelsAndChannels) {
    using T = TypeParam;
    Random random(1);
    for_each_set<T>([&](const KernelTable&, const Kernels<T>& kernels) {
        const std::int64_t most = 2 * kernels.lanes + 1;
        for (std::int64_t pixels = 1; pixels <= most; ++pixels) {
            for (std::int64_t channels = 1; channels <= most; ++channels) {
                for (const unsigned extras : {0u, bias | 0u, residual | 0u, clip | 0u, bias | residual_is_y | clip}) {
                    for (const bool channels_last : {false, true}) {
                        const GuardPages side = guard_sides[random.integer(0, 1)];
                        check(kernels, channels_last, pixels, channels, extras, side, random);
                        if (this->HasFatalFailure()) return;
                    }
                }
            }
        }
    });
}

// The vectors that end at a guard page and begin at one, for all remainders: both sides, everything switched on.
TYPED_TEST(FinishKernels, StaysBetweenGuardPages) {
    using T = TypeParam;
    Random random(2);
    for_each_set<T>([&](const KernelTable&, const Kernels<T>& kernels) {
        for (std::int64_t rest = 1; rest <= kernels.lanes + 1; ++rest) {
            for (const GuardPages side : guard_sides) {
                for (const bool channels_last : {false, true}) {
                    check(kernels, channels_last, rest, 2 * kernels.lanes - 1, bias | residual | clip, side, random);
                    check(kernels, channels_last, 2 * kernels.lanes - 1, rest, bias | residual | clip, side, random);
                    if (this->HasFatalFailure()) return;
                }
            }
        }
    });
}

// A.I through the microkernels and the transposition is A, in the layout of the output.
TYPED_TEST(FinishKernels, TimesIdentityIsExactInBothLayouts) {
    using T = TypeParam;
    Random random(3);
    for_each_set<T>([&](const KernelTable&, const Kernels<T>& kernels) {
        const std::int64_t channels = 2 * kernels.lanes - 1, pixels = 3 * kernels.mr + 2;
        const int vectors = 2;
        const std::int64_t width = vectors * kernels.lanes;
        std::vector<T> a(static_cast<std::size_t>(pixels * channels)), w(static_cast<std::size_t>(channels * width), T(0));
        for (T& value : a) value = random.real<T>();
        for (std::int64_t c = 0; c < channels; ++c) w[static_cast<std::size_t>(c * width + c)] = T(1);
        for (const bool channels_last : {false, true}) {
            Panel<T> p(kernels.lanes, channels_last, pixels, channels, GuardPages::after);
            ASSERT_EQ(p.acc_stride, width);
            for (std::int64_t first = 0; first < pixels; first += kernels.mr) {
                const std::int64_t m = std::min<std::int64_t>(kernels.mr, pixels - first);
                std::vector<std::int64_t> offsets;
                for (std::int64_t i = first; i < first + m; ++i) offsets.push_back(i * channels);
                const Segment segment{0, channels};
                kernels.gemm[m - 1][vectors - 1]({a.data(), offsets.data(), &segment, 1, 1, w.data(), p.acc.data() + first * width, false});
            }
            p.run(kernels, p.arguments());
            for (std::int64_t i = 0; i < pixels; ++i) {
                for (std::int64_t c = 0; c < channels; ++c)
                    ASSERT_TRUE(same(p.y[p.place(i, c)], a[static_cast<std::size_t>(i * channels + c)]));
            }
        }
    });
}

TYPED_TEST(FinishKernels, InfinityPassesAndIsClipped) {
    using T = TypeParam;
    constexpr T infinity = std::numeric_limits<T>::infinity();
    for_each_set<T>([&](const KernelTable&, const Kernels<T>& kernels) {
        for (const bool channels_last : {false, true}) {
            for (const bool clipped : {false, true}) {
                Panel<T> p(kernels.lanes, channels_last, 1, 2, GuardPages::after);
                FinishPanel<T> f = p.arguments();
                p.acc[0] = infinity;
                p.acc[1] = -infinity;
                f.activation = clipped ? Activation::clip : Activation::none;
                f.a = T(-2);
                f.b = T(3);
                p.run(kernels, f);
                EXPECT_EQ(p.y[p.place(0, 0)], clipped ? T(3) : infinity);
                EXPECT_EQ(p.y[p.place(0, 1)], clipped ? T(-2) : -infinity);
            }
        }
    });
}

}  // namespace
}  // namespace npconv::test
