// SPDX-License-Identifier: BSD-3-Clause
// Whole convolutions by every kernel set, with guard pages around everything: small integers exactly as the naive path has them, and real
// numbers bitwise the same for any number of threads. The Python tests go further; these also run on ARM under qemu.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "algorithms/conv_plan.hpp"
#include "guarded.hpp"
#include "shapes.hpp"

namespace npconv::test {
namespace {

// Dense tensors of one problem, against guard pages.
template <class T>
struct Tensors {
    Tensors(const Problem& p, GuardPages side)
        : s(p.shape),
          last(p.layout == Layout::channels_last),
          in_pixels(s.axis[0].input * s.axis[1].input * s.axis[2].input),
          in(s.groups * s.in_channels),
          out(s.groups * s.out_channels),
          x(s.batch * in * in_pixels, side),
          w(out * s.k(), side),
          bias(out, side),
          residual(s.batch * out * s.pixels(), side) {}

    template <class F>
    void fill(const F& f) {
        for (const auto* tensor : {&x, &w, &bias, &residual}) {
            for (T& value : *tensor) value = f();
        }
    }

    WeightsView<T> weights() const {
        const std::int64_t row = s.axis[2].kernel, plane = row * s.axis[1].kernel;
        return {{w.data(), s.k(), s.taps(), {plane, row, 1}}, bias.data(), 1};
    }

    Operands<T> operands(T* y) const {
        Operands<T> io;
        const auto view = [&](const T* data, std::int64_t channels, std::int64_t height, std::int64_t width, std::int64_t pixels) {
            const std::int64_t pixel = last ? channels : 1;
            return TensorView<const T>{data, channels * pixels, last ? 1 : pixels, {pixel * height * width, pixel * width, pixel}};
        };
        io.x = view(x.data(), in, s.axis[1].input, s.axis[2].input, in_pixels);
        io.residual = view(residual.data(), out, s.axis[1].output, s.axis[2].output, s.pixels());
        io.y = y;
        io.y_batch = out * s.pixels();
        return io;
    }

    const ConvShape& s;
    bool last;
    std::int64_t in_pixels, in, out;
    Guarded<T> x, w, bias, residual;
};

template <class T>
class ConvPlans : public ::testing::Test {};
TYPED_TEST_SUITE(ConvPlans, Elements);

// Runs the plan with guard pages around workspace and packed weights too.
template <class T>
void run(const Problem& p, const Tensors<T>& t, const char* algorithm, int threads, const Guarded<T>& y, GuardPages side) {
    const GuardScope guard(side);
    const ConvPlan plan(p, algorithm, Packing::once, t.weights(), threads);
    plan.run(p.shape, plan.parameters(), t.operands(y.data()), threads);
    EXPECT_TRUE(y.canaries_intact());
}

TYPED_TEST(ConvPlans, GemmIsExactOnSmallIntegers) {
    using T = TypeParam;
    for_each_set<T>([&](const KernelTable& table, const Kernels<T>&) {
        Random random(1);
        for (int round = 0; round < 300; ++round) {
            ConvRequest r = anything_small(random, round % 4 == 0 ? 40 : 5);
            r.dtype = sizeof(T) == 4 ? DType::f32 : DType::f64;
            SCOPED_TRACE(text_of(r));
            Problem p = problem_of(r, table, round % 2 ? Layout::channels_last : Layout::channels_first);
            p.flip = random.integer(0, 1) == 1;
            if (random.integer(0, 1)) p.activation = {Activation::clip, -20, 300};
            const GuardPages side = guard_sides[random.integer(0, 1)];
            Tensors<T> t(p, side);
            t.fill([&] { return random.small_integer<T>(); });
            const Guarded<T> y(t.residual.size(), side), expected(t.residual.size(), side);
            run(p, t, "gemm", static_cast<int>(random.integer(1, 4)), y, side);
            run(p, t, "naive", 1, expected, side);
            ASSERT_TRUE(same(y.data(), expected.data(), y.size()));
        }
    });
}

TYPED_TEST(ConvPlans, BitwiseTheSameForAnyNumberOfThreads) {
    using T = TypeParam;
    for_each_set<T>([&](const KernelTable& table, const Kernels<T>&) {
        for (const Layout layout : {Layout::channels_first, Layout::channels_last}) {
            Random random(2);
            ConvRequest r = image(23, 19, 37, 70, 3);  // enough work for the planner to want all threads
            r.dtype = sizeof(T) == 4 ? DType::f32 : DType::f64;
            r.border = Border::reflect;
            const Problem p = problem_of(r, table, layout);
            Tensors<T> t(p, GuardPages::after);
            t.fill([&] { return random.real<T>(); });
            const Guarded<T> expected(t.residual.size(), GuardPages::after);
            run(p, t, "gemm", 1, expected, GuardPages::after);
            for (const int threads : {2, 3, 7}) {
                const Guarded<T> y(t.residual.size(), GuardPages::after);
                run(p, t, "gemm", threads, y, GuardPages::after);
                EXPECT_TRUE(same(y.data(), expected.data(), y.size())) << threads << " threads";
            }
        }
    });
}

TEST(ConvPlan, CountsRunsOfTheKernelsThatRan) {
    for (const KernelSet& set : kernel_sets()) {
        if (!set.available) continue;
        const Problem p = problem_of(image(5, 5, 2, 3), *set.table);
        Tensors<float> t(p, GuardPages::after);
        t.fill([] { return 1.0F; });
        const Guarded<float> y(t.residual.size(), GuardPages::after);
        auto expected = kernel_runs();
        ++expected[set.table->isa];
        run(p, t, "auto", 1, y, GuardPages::after);
        EXPECT_EQ(kernel_runs(), expected);
    }
}

TEST(ConvPlan, SharesWeightsWithAnotherShapeUntilUpdated) {
    const Problem p = problem_of(image(5, 6, 2, 3, 3), active_kernels());
    Tensors<float> t(p, GuardPages::after);
    Random random(3);
    t.fill([&] { return random.small_integer<float>(); });
    const ConvPlan plan(p, "auto", Packing::once, t.weights(), 1);
    ConvPlan other(plan, validate(image(9, 4, 2, 3, 3)), false);
    EXPECT_EQ(other.packed_bytes(), plan.packed_bytes());
    EXPECT_EQ(other.problem().shape.axis[1].input, 9);
    const Guarded<float> before(t.residual.size(), GuardPages::after), after(t.residual.size(), GuardPages::after);
    plan.run(p.shape, plan.parameters(), t.operands(before.data()), 1);
    std::fill(t.w.begin(), t.w.end(), 0.0F);
    other.set_parameters(other.pack(t.weights()));
    plan.run(p.shape, plan.parameters(), t.operands(after.data()), 1);
    EXPECT_TRUE(same(after.data(), before.data(), after.size()));
}

}  // namespace
}  // namespace npconv::test
