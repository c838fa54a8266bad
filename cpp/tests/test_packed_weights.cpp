// SPDX-License-Identifier: BSD-3-Clause
// Packed weights: the kernel that transposes a few rows into a panel, and whole panels against their definition, for weights of any
// strides.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "algorithms/convolution.hpp"
#include "contexts.hpp"
#include "guarded.hpp"
#include "shapes.hpp"
#include "strided.hpp"

namespace npconv::test {
namespace {

template <class T>
class PackKernels : public ::testing::Test {};
TYPED_TEST_SUITE(PackKernels, Elements);

// Every width of a panel, with all of its rows, some, or none; columns around the width of a vector, to places in any order.
TYPED_TEST(PackKernels, RowsBecomeColumns) {
    using T = TypeParam;
    Random random(1);
    for_each_set<T>([&](const KernelTable&, const Kernels<T>& kernels) {
        for (std::int64_t width = 1; width <= kernels.lanes; ++width) {
            for (std::int64_t rows = 0; rows <= width; ++rows) {
                for (const std::int64_t columns : {std::int64_t{1}, std::int64_t{3}, kernels.lanes - std::int64_t{1},
                                                   std::int64_t{kernels.lanes}, 2 * kernels.lanes + random.integer(1, kernels.lanes)}) {
                    const GuardPages side = guard_sides[random.integer(0, 1)];
                    const std::int64_t from_stride = columns + random.integer(0, 3), to_stride = width + random.integer(0, 3);
                    Guarded<T> from(rows > 0 ? (rows - 1) * from_stride + columns : 0, side);
                    for (T& value : from) value = random.real<T>();
                    Guarded<std::int64_t> place(columns, side);
                    std::iota(place.begin(), place.end(), 0);
                    for (std::int64_t k = columns - 1; k > 0; --k) std::swap(place[k], place[random.integer(0, k)]);
                    Guarded<T> to((columns - 1) * to_stride + width, side);
                    kernels.pack_vectors({from.data(), from_stride, rows, width, columns, place.data(), to.data(), to_stride});
                    for (std::int64_t k = 0; k < columns; ++k) {
                        for (std::int64_t r = 0; r < width; ++r)
                            ASSERT_EQ(to[place[k] * to_stride + r], r < rows ? from[r * from_stride + k] : T(0))
                                << rows << " rows of " << width << ", column " << k << " of " << columns;
                    }
                    const auto untouched = std::count_if(to.begin(), to.end(), [](T v) { return v != v; });
                    ASSERT_EQ(untouched, to.size() - columns * width) << "the gaps between the columns";
                    ASSERT_TRUE(from.canaries_intact() && place.canaries_intact() && to.canaries_intact());
                }
            }
        }
    });
}

// The panels of the GEMM against [group][panel][k][width of the panel]. Returns whether lanes without a channel were among them.
template <class T>
bool expect_panels(const Problem& p, const Context& on, const TensorView<const T>& w, const Buffer& packed) {
    const ConvShape& s = p.shape;
    const GemmTiling t = tile_gemm(p, on);
    EXPECT_EQ(packed.bytes(), static_cast<std::size_t>(s.groups * t.panels.n * t.unit * s.k()) * sizeof(T));
    bool spare = false;
    const T* got = packed.as<const T>();
    for (std::int64_t g = 0; g < s.groups; ++g) {
        for (std::int64_t panel = 0; panel < t.panels.parts; ++panel) {
            const std::int64_t first = t.panels.begin(panel) * t.unit, width = t.panels.length(panel) * t.unit;
            for (std::int64_t b = 0; b < t.k.blocks(); ++b) {
                const KBlock k = t.k.block(b);
                for (std::int64_t i = k.tap_begin[0]; i < k.tap_end[0]; ++i) {
                    for (std::int64_t j = k.tap_begin[1]; j < k.tap_end[1]; ++j) {
                        for (std::int64_t l = k.tap_begin[2]; l < k.tap_end[2]; ++l) {
                            const std::int64_t tap[] = {i, j, l};
                            const T* from = w.data;
                            for (std::size_t a = 0; a < 3; ++a) from += (p.flip ? s.axis[a].kernel - 1 - tap[a] : tap[a]) * w.spatial[a];
                            for (std::int64_t c = k.channel_begin; c < k.channel_end; ++c) {
                                for (std::int64_t lane = 0; lane < width; ++lane, ++got) {
                                    const bool real = first + lane < s.out_channels;
                                    spare = spare || !real;
                                    const T wanted = real ? from[c * w.channel + (g * s.out_channels + first + lane) * w.batch] : T(0);
                                    if (!same(*got, wanted)) {
                                        ADD_FAILURE()
                                            << "group " << g << ", panel " << panel << ", tap " << i << ", " << j << ", " << l
                                            << ", channel " << c << ", lane " << lane << " is " << *got << ", expected " << wanted;
                                        return spare;
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
    return spare;
}

template <class T>
class PackedWeightsOf : public ::testing::Test {};
TYPED_TEST_SUITE(PackedWeightsOf, Elements);

TYPED_TEST(PackedWeightsOf, PanelsAreTheDefinition) {
    using T = TypeParam;
    int spare = 0;
    for_each_set<T>([&](const KernelTable& table, const Kernels<T>&) {
        Random random(2);
        for (int round = 0; round < 1500; ++round) {
            Context on = context_of(table);
            if (round % 3) on.limits = small_limits(random);
            ConvRequest r = anything_small(random, round % 4 ? 9 : 60);
            r.dtype = sizeof(T) == 4 ? DType::f32 : DType::f64;
            Problem p = problem_of(r);
            p.packed_as.lane = static_cast<Lane>(random.integer(0, 2));
            p.flip = random.integer(0, 1) == 1;
            const ConvShape& s = p.shape;
            const GuardPages side = guard_sides[round % 2];
            const GuardScope guard(side);
            const std::int64_t out = s.groups * s.out_channels;
            Strided<T> w({out, s.in_channels, s.axis[0].kernel, s.axis[1].kernel, s.axis[2].kernel}, random, side);
            if (random.integer(0, 1)) {  // as NumPy makes them, rows perhaps apart
                const std::int64_t row = s.k() + random.integer(0, 1) * 5;
                w.memory = Guarded<T>((out - 1) * row + s.k(), side);
                w.view = dense<T>(w.memory.data(), s.in_channels, {s.axis[0].kernel, s.axis[1].kernel, s.axis[2].kernel},
                                  Layout::channels_first);
                w.view.batch = row;
            }
            for (T& value : w.memory) value = random.real<T>();
            SCOPED_TRACE(text_of(r) + ", lane " + std::to_string(static_cast<int>(p.packed_as.lane)) + (p.flip ? ", flip" : ""));
            const Buffer packed = pack(plan_conv_by_gemm(p, on), untyped(w.view), static_cast<int>(random.integer(1, 3))).data;
            spare += expect_panels(p, on, w.view, packed);
            if (this->HasFailure()) return;
        }
    });
    EXPECT_GT(spare, 100);
}

// Threads divide the panels: enough of them for a parallel region.
TYPED_TEST(PackedWeightsOf, AreTheSameByAnyNumberOfThreads) {
    using T = TypeParam;
    ConvRequest r = image(5, 5, 70, 300, 3);
    r.dtype = sizeof(T) == 4 ? DType::f32 : DType::f64;
    const Context on = context_of(best_kernels());
    const Problem p = problem_of(r);
    const ConvExecution execution = plan_conv_by_gemm(p, on);
    Random random(3);
    std::vector<T> w(static_cast<std::size_t>(300 * p.shape.k()));
    for (T& value : w) value = random.real<T>();
    TensorView<const T> view = dense<T>(w.data(), 70, {1, 3, 3}, Layout::channels_first);
    for (const bool contiguous : {true, false}) {
        if (!contiguous) std::swap(view.spatial[1], view.spatial[2]);  // transposed taps
        for (const int threads : {1, 2, 5}) expect_panels(p, on, view, pack(execution, untyped(view), threads).data);
    }
}

TYPED_TEST(PackedWeightsOf, OneValueThatIsNotFiniteIsFound) {
    using T = TypeParam;
    using Numbers = std::numeric_limits<T>;
    for_each_set<T>([&](const KernelTable& table, const Kernels<T>&) {
        ConvRequest r = image(5, 5, 3, 19, 3);
        r.dtype = sizeof(T) == 4 ? DType::f32 : DType::f64;
        const Problem p = problem_of(r);
        const Context on = context_of(table);
        const ConvExecution execution = plan_conv_by_gemm(p, on);
        std::vector<T> w(static_cast<std::size_t>(19 * p.shape.k()));
        for (std::size_t i = 0; i < w.size(); ++i) w[i] = i % 2 ? Numbers::max() : Numbers::lowest();
        TensorView<const T> view = dense<T>(w.data(), 3, {1, 3, 3}, Layout::channels_first);
        for (const bool contiguous : {true, false}) {
            if (!contiguous) std::swap(view.spatial[1], view.spatial[2]);  // transposed taps
            EXPECT_EQ(pack(execution, untyped(view), 1).largest, static_cast<double>(Numbers::max()));
            for (std::size_t i = 0; i < w.size(); ++i) {
                const T bad = i % 3 == 0 ? Numbers::infinity() : i % 3 == 1 ? -Numbers::infinity() : Numbers::quiet_NaN();
                const T good = std::exchange(w[i], bad);
                EXPECT_FALSE(std::isfinite(pack(execution, untyped(view), 1).largest)) << bad << " at " << i;
                w[i] = good;
            }
        }
    });
}

TYPED_TEST(PackedWeightsOf, BiasOfAnyStride) {
    using T = TypeParam;
    const std::vector<T> values = {T(1), T(2), T(3), T(4), T(5)};
    for (const std::int64_t stride : {1, 2, 0, -1, -2}) {
        const T* first = stride < 0 ? &values.back() : values.data();
        const Buffer packed = pack_bias(dtype_of_type<T>(), 3, {{}, first, stride});
        for (std::int64_t c = 0; c < 3; ++c) EXPECT_EQ(packed.as<T>()[c], first[c * stride]) << "stride " << stride;
    }
}

}  // namespace
}  // namespace npconv::test
