// SPDX-License-Identifier: BSD-3-Clause
// Whole convolutions by every kernel set, with guard pages around everything: small integers exactly as the naive path has them, and real
// numbers bitwise the same however the work is cut. The Python tests go further; these also run on ARM under qemu.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "algorithms/conv_plan.hpp"
#include "algorithms/convolve_once.hpp"
#include "algorithms/kernel_runs.hpp"
#include "contexts.hpp"
#include "guarded.hpp"
#include "shapes.hpp"
#include "strided.hpp"

namespace npconv::test {
namespace {

// The tensors of one problem, against guard pages. Dense, until x and the residual are given other strides.
template <class T>
struct Tensors {
    Tensors(const Problem& p, GuardPages guard_side)
        : s(p.shape),
          side(guard_side),
          inputs{s.axis[0].input, s.axis[1].input, s.axis[2].input},
          outputs{s.axis[0].output, s.axis[1].output, s.axis[2].output},
          in(s.groups * s.in_channels),
          out(s.groups * s.out_channels),
          x(s.batch * in * inputs[0] * inputs[1] * inputs[2], side),
          w(out * s.k(), side),
          bias(out, side),
          residual(s.batch * out * s.pixels(), side) {
        io.x = dense<T>(x.data(), in, inputs, p.layout);
        io.residual = dense<T>(residual.data(), out, outputs, p.layout);
        io.y_batch = out * s.pixels();
    }

    void scatter(Random& random) {
        Strided<T> any_x({s.batch, in, inputs[0], inputs[1], inputs[2]}, random, side);
        x = std::move(any_x.memory);
        io.x = any_x.view;
        Strided<T> any_residual({s.batch, out, outputs[0], outputs[1], outputs[2]}, random, side, Repeats::some);
        residual = std::move(any_residual.memory);
        io.residual = any_residual.view;
    }

    template <class F>
    void fill(const F& f) {
        for (const auto* tensor : {&x, &w, &bias, &residual}) {
            for (T& value : *tensor) value = f();
        }
    }

    Guarded<T> result() const { return Guarded<T>(s.batch * io.y_batch, side); }

    WeightsView weights() const {
        return {untyped(dense<T>(w.data(), s.in_channels, {s.axis[0].kernel, s.axis[1].kernel, s.axis[2].kernel}, Layout::channels_first)),
                with_bias ? bias.data() : nullptr, 1};
    }

    Operands operands(T* y) const {
        Operands all;
        all.x = untyped(io.x);
        all.residual = untyped(io.residual);
        all.y = y;
        all.y_batch = io.y_batch;
        return all;
    }

    const ConvShape& s;
    GuardPages side;
    std::array<std::int64_t, 3> inputs, outputs;
    std::int64_t in, out;
    Guarded<T> x, w, bias, residual;
    OperandsOf<T> io;
    bool with_bias = true;
};

template <class T>
class ConvPlans : public ::testing::Test {};
TYPED_TEST_SUITE(ConvPlans, Elements);

template <class T>
ConvRequest of_type(ConvRequest r) {
    r.dtype = sizeof(T) == 4 ? DType::f32 : DType::f64;
    return r;
}

// Of any core, with the usual limits or with small ones.
Context usual_context(const KernelTable& table, Random& random) { return context_with(all_cores[random.integer(0, 2)], table); }
Context small_context(const KernelTable& table, Random& random) {
    const Limits limits = small_limits(random);
    Context on = usual_context(table, random);
    on.limits = limits;
    return on;
}

// Runs the plan with guard pages around workspace and packed weights too.
template <class T>
void run(const Problem& p, const Context& on, const Tensors<T>& t, const char* algorithm, int threads, const Guarded<T>& y) {
    const GuardScope guard(t.side);
    const Plan plan(planned_conv(p, on, algorithm, t.weights(), threads));
    plan.run(p.shape.batch, *plan.parameters(), t.operands(y.data()), threads);
    EXPECT_TRUE(y.canaries_intact());
}

// Is the result of gemm that of naive, bit by bit but for the sign of a zero?
template <class T>
::testing::AssertionResult as_naive(const Problem& p, const Context& on, const Tensors<T>& t, int threads) {
    const Guarded<T> y = t.result(), expected = t.result();
    run(p, on, t, "gemm", threads, y);
    run(p, on, t, "naive", 1, expected);
    for (T& value : y) value += T(0);  // -0 + 0 is +0
    for (T& value : expected) value += T(0);
    return same(y.data(), expected.data(), y.size());
}

std::string words(const Problem& p) {
    return std::string(p.layout == Layout::channels_last ? ", channels last" : ", channels first") + ", lane " +
           std::to_string(static_cast<int>(p.packed_as.lane)) + (p.flip ? ", flip" : "");
}

TYPED_TEST(ConvPlans, GemmIsExactOnSmallIntegers) {
    using T = TypeParam;
    for_each_set<T>([&](const KernelTable& table, const Kernels<T>&) {
        Random random(1);
        for (int round = 0; round < 600; ++round) {
            const Context on = round % 3 ? small_context(table, random) : usual_context(table, random);
            const ConvRequest r = of_type<T>(anything_small(random, round % 4 == 0 ? 40 : 5));
            Problem p = problem_of(r, round % 2 ? Layout::channels_last : Layout::channels_first);
            p.packed_as.lane = static_cast<Lane>(random.integer(0, round % 2 ? 1 : 2));
            p.flip = random.integer(0, 1) == 1;
            if (random.integer(0, 1)) p.activation = {Activation::clip, -20, 300};
            SCOPED_TRACE(text_of(r) + words(p));
            Tensors<T> t(p, guard_sides[random.integer(0, 1)]);
            if (random.integer(0, 1)) t.scatter(random);
            t.fill([&] { return random.small_integer<T>(); });
            t.with_bias = random.integer(0, 3) != 0;
            if (random.integer(0, 2) == 0) t.io.residual.data = nullptr;
            ASSERT_TRUE(as_naive(p, on, t, static_cast<int>(random.integer(1, 4))));
        }
    });
}

// The output may be the residual.
TYPED_TEST(ConvPlans, InPlaceOnTheResidual) {
    using T = TypeParam;
    for_each_set<T>([&](const KernelTable& table, const Kernels<T>&) {
        Random random(2);
        for (int round = 0; round < 60; ++round) {
            const Context on = small_context(table, random);
            const ConvRequest r = of_type<T>(anything_small(random, 20));
            Problem p = problem_of(r, round % 2 ? Layout::channels_last : Layout::channels_first);
            p.packed_as.lane = static_cast<Lane>(random.integer(0, round % 2 ? 1 : 2));
            SCOPED_TRACE(text_of(r) + words(p));
            Tensors<T> t(p, guard_sides[random.integer(0, 1)]);
            t.fill([&] { return random.small_integer<T>(); });
            const Guarded<T> expected = t.result();
            run(p, on, t, "naive", 1, expected);
            run(p, on, t, "gemm", 3, t.residual);
            ASSERT_TRUE(same(t.residual.data(), expected.data(), expected.size()));
        }
    });
}

// NaN and infinity in x and in the weights reach what the definition says: an infinite weight times a zero of the border is NaN, too.
TYPED_TEST(ConvPlans, NonFiniteValuesReachWhatTheyShould) {
    using T = TypeParam;
    constexpr T bad[] = {std::numeric_limits<T>::infinity(), -std::numeric_limits<T>::infinity(), std::numeric_limits<T>::quiet_NaN()};
    for_each_set<T>([&](const KernelTable& table, const Kernels<T>&) {
        Random random(3);
        std::int64_t nan = 0, finite = 0;
        for (int round = 0; round < 200; ++round) {
            const Context on = round % 3 ? small_context(table, random) : usual_context(table, random);
            ConvRequest r = of_type<T>(anything_small(random, 6));
            r.border = random.integer(0, 2) ? Border::zeros : r.border;
            Problem p = problem_of(r, round % 2 ? Layout::channels_last : Layout::channels_first);
            p.packed_as.lane = static_cast<Lane>(random.integer(0, round % 2 ? 1 : 2));
            SCOPED_TRACE(text_of(r) + words(p));
            Tensors<T> t(p, guard_sides[random.integer(0, 1)]);
            t.fill([&] { return random.small_integer<T>(); });
            const Guarded<T>& spoilt = random.integer(0, 1) ? t.x : t.w;
            spoilt[random.integer(0, spoilt.size() - 1)] = bad[random.integer(0, 2)];
            const Guarded<T> y = t.result(), expected = t.result();
            run(p, on, t, "gemm", 2, y);
            run(p, on, t, "naive", 1, expected);
            ASSERT_TRUE(same(y.data(), expected.data(), y.size()));
            for (const T value : y) ++(std::isnan(value) ? nan : finite);
        }
        EXPECT_GT(nan, 1000);
        EXPECT_GT(finite, 1000);
    });
}

TYPED_TEST(ConvPlans, BitwiseTheSameForAnyNumberOfThreads) {
    using T = TypeParam;
    for_each_set<T>([&](const KernelTable& table, const Kernels<T>&) {
        const Context on = context_of(table);
        for (const Layout layout : {Layout::channels_first, Layout::channels_last}) {
            for (const Border border : {Border::zeros, Border::reflect}) {
                Random random(4);
                ConvRequest r = of_type<T>(image(23, 19, 37, 70, 3));  // enough work for the planner to want all threads
                r.border = border;
                const Problem p = problem_of(r, layout);
                Tensors<T> t(p, GuardPages::after);
                t.fill([&] { return random.real<T>(); });
                const Guarded<T> expected = t.result();
                run(p, on, t, "gemm", 1, expected);
                for (const int threads : {2, 3, 7}) {
                    const Guarded<T> y = t.result();
                    run(p, on, t, "gemm", threads, y);
                    EXPECT_TRUE(same(y.data(), expected.data(), y.size())) << threads << " threads";
                }
            }
        }
    });
}

// Tiles, lanes, layouts, strides, and whether taps in the border are left out: nothing but the order of k touches the bits.
TYPED_TEST(ConvPlans, BitwiseTheSameHoweverItIsCut) {
    using T = TypeParam;
    ConvRequest dilated = image(33, 17, 7, 19, 3), strided = image(30, 21, 3, 40, 5), deep = image(9, 7, 700, 9, 1),
                wrapped = image(15, 14, 20, 33, 3);
    dilated.dilation = {6, 6};
    strided.stride = {2, 2};
    wrapped.border = Border::circular;
    wrapped.groups = 1;
    wrapped.batch = 2;
    for_each_set<T>([&](const KernelTable& table, const Kernels<T>&) {
        for (const ConvRequest& request : {dilated, strided, deep, wrapped, line(300, 40, 1, 2, 39, 3)}) {
            const ConvRequest r = of_type<T>(request);
            SCOPED_TRACE(text_of(r));
            Random random(5);
            Problem p = problem_of(r);
            const Context usual = context_of(table);
            Tensors<T> t(p, GuardPages::after);
            t.io.residual.data = nullptr;
            t.fill([&] { return random.real<T>(); });
            const Guarded<T> expected = t.result();
            run(p, usual, t, "gemm", 1, expected);
            Context on = usual;
            for (int round = 0; round < 12; ++round) {
                on.limits = other_tiles(random);
                p.packed_as.lane = static_cast<Lane>(round % 3);
                on.machine.core = all_cores[round / 3 % 3];
                const Guarded<T> y = t.result();
                run(p, on, t, "gemm", 2, y);
                ASSERT_TRUE(same(y.data(), expected.data(), y.size())) << "round " << round << words(p);
            }
            p.packed_as.lane = Lane::automatic;
            p.layout = Layout::channels_last;  // of y; x stays where it is
            const Guarded<T> last = t.result();
            on.limits = {};
            run(p, on, t, "gemm", 1, last);
            const std::int64_t pixels = p.shape.pixels(), channels = t.out;
            for (std::int64_t i = 0; i < last.size(); ++i) {
                const std::int64_t image = i / (pixels * channels), pixel = i / channels % pixels, channel = i % channels;
                ASSERT_TRUE(same(last[i], expected[(image * channels + channel) * pixels + pixel])) << "channels last, element " << i;
            }
        }
    });
}

// A part of a map is that part of the whole, bit by bit: no sum depends on the size of the map.
TYPED_TEST(ConvPlans, BitwiseTheSameInALargerMap) {
    using T = TypeParam;
    for_each_set<T>([&](const KernelTable& table, const Kernels<T>&) {
        ConvRequest r = of_type<T>(image(40, 37, 50, 21, 3));
        r.padding.kind = PaddingKind::valid;
        const Context on = context_of(table);
        const Problem whole = problem_of(r);
        for (const std::int64_t side : {3, 5, 9, 18, 34}) {
            r.input = {side, side};
            const Problem part = problem_of(r);
            Tensors<T> t(whole, GuardPages::after), u(part, GuardPages::after);
            Random random(6);
            t.fill([&] { return random.real<T>(); });
            std::copy(t.w.begin(), t.w.end(), u.w.begin());
            std::copy(t.bias.begin(), t.bias.end(), u.bias.begin());
            t.io.residual.data = u.io.residual.data = nullptr;
            u.io.x = t.io.x;
            u.io.x.data += 4 * t.io.x.spatial[1] + 3;
            const Guarded<T> all = t.result(), y = u.result();
            run(whole, on, t, "gemm", 1, all);
            run(part, on, u, "gemm", 1, y);
            const std::int64_t n = side - 2;
            for (std::int64_t i = 0; i < y.size(); ++i) {
                const std::int64_t c = i / (n * n), h = i / n % n, w = i % n;
                ASSERT_TRUE(same(y[i], all[(c * 38 + h + 4) * 35 + w + 3])) << "side " << side << ", element " << i;
            }
        }
    });
}

// A plain call, which packs panels where they are used if it can, gives what a plan gives. A weight that is not finite makes it begin anew.
TYPED_TEST(ConvPlans, PlainCallsAreThePlan) {
    using T = TypeParam;
    Random random(9);
    int by_panel = 0, anew = 0;
    for_each_set<T>([&](const KernelTable& table, const Kernels<T>&) {
        for (int round = 0; round < 1800; ++round) {
            const Context on = round % 3 ? small_context(table, random) : usual_context(table, random);
            ConvRequest r = of_type<T>(anything_small(random, 20));
            if (round % 4) r.batch = 1;
            Problem p = problem_of(r, round % 2 ? Layout::channels_last : Layout::channels_first);
            p.flip = round % 5 == 0;
            SCOPED_TRACE(text_of(r) + words(p));
            Tensors<T> t(p, guard_sides[round % 2]);
            t.fill([&] { return random.real<T>(); });
            const bool infinite = round % 7 == 0;
            if (infinite) t.w[random.integer(0, t.w.size() - 1)] = std::numeric_limits<T>::infinity();
            if (round % 3) t.io.residual.data = nullptr;
            const Guarded<T> expected = t.result(), y = t.result();
            const int threads = static_cast<int>(random.integer(1, 3));
            run(p, on, t, "gemm", threads, expected);
            p.packing = Packing::every_call;
            {
                const GuardScope guard(t.side);
                convolve_once(p, kept(on), "gemm", t.weights(), t.operands(y.data()), threads);
            }
            ASSERT_TRUE(y.canaries_intact());
            ASSERT_TRUE(same(y.data(), expected.data(), y.size()));
            const bool packs_panels = plan_gemm(p, on).tiling.packs_panels;
            by_panel += packs_panels;
            anew += packs_panels && infinite && p.border == Border::zeros && p.shape.padded() && !t.io.residual.data;
        }
    });
    EXPECT_GT(by_panel, 100);
    EXPECT_GT(anew, 1);
}

// Channels a large power of two apart, which are copied so that they do not crowd a few sets of the cache.
TYPED_TEST(ConvPlans, ChannelsAPowerOfTwoApart) {
    using T = TypeParam;
    constexpr std::int64_t apart = 128 * 1024 / sizeof(T);
    for_each_set<T>([&](const KernelTable& table, const Kernels<T>&) {
        for (const std::int64_t kernel : {1, 3}) {
            for (const Lane lane : {Lane::automatic, Lane::channel, Lane::pixel}) {
                const ConvRequest r = of_type<T>(image(9, 11, 7, 5, kernel));
                Problem p = problem_of(r);
                p.packed_as.lane = lane;
                SCOPED_TRACE(text_of(r) + words(p));
                Random random(7);
                Tensors<T> t(p, GuardPages::after);
                t.x = Guarded<T>(6 * apart + 99, GuardPages::after);
                t.io.x.data = t.x.data();
                t.io.x.channel = apart;
                t.fill([&] { return random.small_integer<T>(); });
                EXPECT_TRUE(as_naive(p, context_of(table), t, 1));
            }
        }
    });
}

// The promise of plan.workspace_bytes: what a run allocates, to the byte.
TYPED_TEST(ConvPlans, AllocatesWhatThePlanTells) {
    using T = TypeParam;
    Random random(8);
    for (int round = 0; round < 300; ++round) {
        const Context on = round % 3 ? small_context(best_kernels(), random) : usual_context(best_kernels(), random);
        const ConvRequest r = of_type<T>(anything_small(random, 20));
        const Problem p = problem_of(r, round % 2 ? Layout::channels_last : Layout::channels_first);
        SCOPED_TRACE(text_of(r) + words(p));
        Tensors<T> t(p, GuardPages::after);
        t.fill([] { return T(1); });
        const int threads = static_cast<int>(random.integer(1, 4));
        const Guarded<T> y = t.result();
        const GuardScope off(GuardPages::off);
        const std::size_t start = buffer_bytes_made();
        const Plan plan(planned_conv(p, on, "gemm", t.weights(), threads));
        const std::size_t packed = buffer_bytes_made();
        EXPECT_EQ(packed - start, static_cast<std::size_t>(plan.packed_bytes()));
        plan.run(p.shape.batch, *plan.parameters(), t.operands(y.data()), threads);
        EXPECT_EQ(buffer_bytes_made() - packed, static_cast<std::size_t>(plan.workspace_bytes(threads)));
    }
}

TEST(ConvPlan, CountsRunsOfTheKernelsThatRan) {
    for (const KernelSet& set : kernel_sets()) {
        if (!set.available) continue;
        const Problem p = problem_of(image(5, 5, 2, 3));
        Tensors<float> t(p, GuardPages::after);
        t.fill([] { return 1.0F; });
        const Guarded<float> y = t.result();
        auto expected = kernel_runs();
        ++expected[set.table->isa];
        run(p, context_of(*set.table), t, "auto", 1, y);
        EXPECT_EQ(kernel_runs(), expected);
    }
}

TEST(ConvPlan, SharesWeightsWithAnotherShapeUntilUpdated) {
    const Context on = context_of(best_kernels());
    const Problem p = problem_of(image(5, 6, 2, 3, 3));
    Tensors<float> t(p, GuardPages::after);
    Random random(9);
    t.fill([&] { return random.small_integer<float>(); });
    const Plan plan(planned_conv(p, on, "auto", t.weights(), 1));
    const ConvShape shape = validate(image(9, 4, 2, 3, 3));
    const std::unique_ptr<Plan> other = plan.for_shapes({&shape, 1}, false);
    EXPECT_EQ(other->packed_bytes(), plan.packed_bytes());
    EXPECT_EQ(other->parameters()->weights.get(), plan.parameters()->weights.get());
    EXPECT_EQ(dynamic_cast<const PlannedConv&>(other->operation()).problem().shape.axis[1].input, 9);
    const Guarded<float> before = t.result(), after = t.result();
    plan.run(p.shape.batch, *plan.parameters(), t.operands(before.data()), 1);
    std::fill(t.w.begin(), t.w.end(), 0.0F);
    const WeightsView weights = t.weights();
    other->set_parameters(other->pack({&weights, 1}, 1));
    plan.run(p.shape.batch, *plan.parameters(), t.operands(after.data()), 1);
    EXPECT_TRUE(same(after.data(), before.data(), after.size()));
}

// Whatever lane the first shape's plan chose, its weights serve every other map, and the result is that of a plan of its own.
TYPED_TEST(ConvPlans, SharedWeightsServeEveryMap) {
    using T = TypeParam;
    const std::int64_t sides[] = {1, 4, 7, 33, 64};
    bool pixel = false, channel = false;
    for_each_set<T>([&](const KernelTable& table, const Kernels<T>&) {
        const Context on = context_of(table);
        for (const std::int64_t channels : {2, 12, 40}) {
            for (const std::int64_t first : sides) {
                const Problem p = problem_of(of_type<T>(image(first, first, channels, channels + 1, 3)));
                Tensors<T> t(p, GuardPages::after);
                Random random(10);
                t.fill([&] { return random.real<T>(); });
                const Plan plan(planned_conv(p, on, "auto", t.weights(), 1));
                (plan.parameters()->format.lane == Lane::pixel ? pixel : channel) = true;
                for (const std::int64_t side : sides) {
                    const Problem q = problem_of(of_type<T>(image(side, side + 1, channels, channels + 1, 3)));
                    Tensors<T> u(q, GuardPages::after);
                    u.fill([&] { return random.real<T>(); });
                    std::copy(t.w.begin(), t.w.end(), u.w.begin());
                    std::copy(t.bias.begin(), t.bias.end(), u.bias.begin());
                    const std::unique_ptr<Plan> shared = plan.for_shapes({&q.shape, 1}, false);
                    ASSERT_EQ(shared->parameters()->weights.get(), plan.parameters()->weights.get());
                    const Guarded<T> y = u.result(), expected = u.result();
                    shared->run(q.shape.batch, *shared->parameters(), u.operands(y.data()), 1);
                    run(q, on, u, plan.algorithm().c_str(), 1, expected);
                    ASSERT_TRUE(same(y.data(), expected.data(), y.size())) << text_of(image(side, side + 1, channels, channels + 1, 3));
                }
            }
        }
    });
    EXPECT_TRUE(pixel && channel);
}

TEST(ConvPlan, WeightsOfOtherChannelsAreNotShared) {
    const Context on = context_of(best_kernels());
    const Problem p = problem_of(image(5, 6, 2, 3, 3));
    Tensors<float> t(p, GuardPages::after);
    t.fill([] { return 1.0F; });
    const Plan plan(planned_conv(p, on, "auto", t.weights(), 1));
    for (const ConvRequest& r : {image(5, 6, 3, 3, 3), image(5, 6, 2, 4, 3), image(5, 6, 2, 3, 1)}) {
        const ConvShape shape = validate(r);
        EXPECT_THROW(plan.for_shapes({&shape, 1}, false), std::invalid_argument) << text_of(r);
    }
}

}  // namespace
}  // namespace npconv::test
