// SPDX-License-Identifier: BSD-3-Clause
// Depthwise convolution of planes by rows, with masks and on padded rows: small integers exactly as a plain loop has them, real numbers in
// the order of the taps and the same by both forms, for every size around the width of vectors and strips, and nothing read or written
// beside what belongs to the planes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <ostream>

#include "gemm_call.hpp"

namespace npconv::test {
namespace {

enum Extras : unsigned { bias = 1, residual = 2, residual_is_y = 4, clip = 8, leaky = 16 };
constexpr unsigned all_extras[] = {0, bias, residual, clip, leaky, bias | residual | leaky, bias | residual_is_y | clip};

struct Layer {
    std::int64_t k, stride, channels, input_rows, input_columns, top, left, bottom, right, gap;
    std::int64_t rows() const { return (input_rows + top + bottom - k) / stride + 1; }
    std::int64_t columns() const { return (input_columns + left + right - k) / stride + 1; }
    bool valid() const { return input_rows + top + bottom >= k && input_columns + left + right >= k; }
};

std::ostream& operator<<(std::ostream& to, const Layer& l) {
    return to << l.k << " x " << l.k << " / " << l.stride << ", " << l.channels << " channels of " << l.input_rows << " x "
              << l.input_columns << ", padding " << l.top << " " << l.left << " " << l.bottom << " " << l.right << ", gap " << l.gap;
}

template <class T>
struct Planes {
    template <class F>
    Planes(const Layer& layer, unsigned added, GuardPages guard, const F& number)
        : l(layer),
          extras(added),
          side(guard),
          x_row(l.input_columns + l.gap),
          y_row(l.columns() + l.gap),
          x(size(l.input_rows, l.input_columns, x_row), side),
          w(l.channels * l.k * l.k, side),
          y(size(l.rows(), l.columns(), y_row), side),
          r(y.size(), side),
          start(y.size(), side),
          b(l.channels, side) {
        for (std::int64_t c = 0; c < l.channels; ++c) {
            b[c] = number();
            for (std::int64_t i = 0; i < l.input_rows; ++i) {
                for (std::int64_t j = 0; j < l.input_columns; ++j) x[(c * l.input_rows + i) * x_row + j] = number();
            }
            for (std::int64_t i = 0; i < l.rows(); ++i) {
                for (std::int64_t j = 0; j < l.columns(); ++j) {
                    r[(c * l.rows() + i) * y_row + j] = number();
                    start[(c * l.rows() + i) * y_row + j] = number();
                }
            }
        }
        for (T& value : w) value = number();
    }

    std::int64_t size(std::int64_t rows, std::int64_t columns, std::int64_t row) const { return (l.channels * rows - 1) * row + columns; }

    T epilogue(T sum, std::int64_t c, std::int64_t at) const {
        if (extras & bias) sum += b[c];
        if (extras & (residual | residual_is_y)) sum += r[at];
        if (extras & clip) sum = sum < T(-5) ? T(-5) : sum > T(20) ? T(20) : sum;
        if (extras & leaky) sum = sum < 0 ? sum * T(0.125) : sum;
        return sum;
    }

    T expected(std::int64_t c, std::int64_t i, std::int64_t j, bool fused) const {
        T sum = continued ? start[(c * l.rows() + i) * y_row + j] : T(0);
        for (std::int64_t t = 0; t < l.k; ++t) {
            for (std::int64_t s = 0; s < l.k; ++s) {
                const std::int64_t row = l.stride * i + t - l.top, column = l.stride * j + s - l.left;
                if (row < 0 || row >= l.input_rows || column < 0 || column >= l.input_columns) continue;
                const T v = x[(c * l.input_rows + row) * x_row + column], weight = w[(c * l.k + t) * l.k + s];
                sum = fused ? std::fma(weight, v, sum) : sum + weight * v;
            }
        }
        return epilogue(sum, c, (c * l.rows() + i) * y_row + j);
    }

    void run(const KernelTable& table, bool padded, bool over_start = false) {
        const auto& kernels = depthwise_kernels_of<T>(table);
        const std::int64_t lanes = kernels_of<T>(table).lanes;
        std::copy(r.begin(), r.end(), y.begin());  // of the gaps, too
        if (over_start) {
            for (std::int64_t row = 0; row < l.channels * l.rows(); ++row) {
                for (std::int64_t j = 0; j < l.columns(); ++j) y[row * y_row + j] = start[row * y_row + j];
            }
        }
        DepthwisePlanes<T> p{};
        p.x = x.data();
        p.x_row = x_row;
        p.w = w.data();
        p.w_channel = l.k * l.k;
        p.input_rows = l.input_rows;
        p.input_columns = l.input_columns;
        p.first_row = -l.top;
        p.first_column = -l.left;
        p.rows = l.rows();
        p.columns = l.columns();
        p.y_row = p.residual_row = p.start_row = y_row;
        p.output.y = y.data();
        p.output.y_stride = p.output.residual_stride = l.rows() * y_row;
        p.output.channels = l.channels;
        if (continued) {
            p.start = over_start ? y.data() : start.data();
            p.start_channel = l.rows() * y_row;
        }
        if (extras & bias) p.output.bias = b.data();
        if (extras & residual) p.output.residual = r.data();
        if (extras & residual_is_y) p.output.residual = y.data();
        p.output.activation = extras & clip ? Activation::clip : extras & leaky ? Activation::leaky_relu : Activation::none;
        p.output.a = extras & clip ? T(-5) : T(0.125);
        p.output.b = T(20);
        // The copy: zeros where taps of the output are outside, NaN beyond, as far as may be read.
        const std::int64_t vectors = (l.columns() + lanes - 1) / lanes;
        const std::int64_t row = l.stride * vectors * lanes + l.k - 1, needed = l.stride * (l.columns() - 1) + l.k;
        Guarded<T> copy(padded ? l.channels * l.input_rows * row : 1, side);
        if (padded) {
            for (std::int64_t i = 0; i < l.channels * l.input_rows; ++i) {
                for (std::int64_t j = 0; j < needed; ++j) {
                    const std::int64_t column = j - l.left;
                    copy[i * row + j] = column >= 0 && column < l.input_columns ? x[i * x_row + column] : T(0);
                }
            }
            p.x = copy.data();
            p.x_row = row;
            p.first_column = 0;
            p.input_columns = 0;  // not looked at
        }
        p.x_channel = l.input_rows * p.x_row;
        const std::int64_t size = l.k / 2 - 1, step = l.stride - 1;
        const auto& kernel = padded ? kernels.padded_planes[size][step] : kernels.planes[size][step];
        (continued ? kernel.continued : kernel.first)(p);
        EXPECT_TRUE(start.canaries_intact() && copy.canaries_intact() && x.canaries_intact() && w.canaries_intact() &&
                    y.canaries_intact() && r.canaries_intact() && b.canaries_intact());
    }

    ::testing::AssertionResult right(bool fused) const {
        for (std::int64_t row = 0; row < l.channels * l.rows(); ++row) {
            const std::int64_t c = row / l.rows(), i = row % l.rows();
            for (std::int64_t j = 0; j < y_row && row * y_row + j < y.size(); ++j) {
                const T got = y[row * y_row + j], wanted = j < l.columns() ? expected(c, i, j, fused) : r[row * y_row + j];
                if (!(got == wanted) && !same(got, wanted)) {  // zeros may have either sign
                    return ::testing::AssertionFailure()
                           << "channel " << c << ", row " << i << ", column " << j << " is " << ::testing::PrintToString(got)
                           << ", expected " << ::testing::PrintToString(wanted);
                }
            }
        }
        return ::testing::AssertionSuccess();
    }

    Layer l;
    unsigned extras;
    GuardPages side;
    std::int64_t x_row, y_row;
    Guarded<T> x, w, y, r, start, b;
    bool continued = false;
};

template <class T>
void check(const KernelTable& table, const Layer& layer, unsigned extras, GuardPages side, Random& random) {
    SCOPED_TRACE(::testing::Message() << layer << ", extras " << extras);
    const bool real = random.integer(0, 1) == 0;
    Planes<T> planes(layer, extras, side, [&] { return real ? random.real<T>() : random.small_integer<T>(); });
    for (const bool padded : {false, true}) {
        if (!padded && !depthwise_kernels_of<T>(table).planes[layer.k / 2 - 1][layer.stride - 1].first) continue;
        for (const bool continued : {false, true}) {
            if (continued && layer.k != 3) continue;
            planes.continued = continued;
            planes.run(table, padded);
            ASSERT_TRUE(planes.right(real && fuses(table))) << (padded ? "padded" : "masked") << (continued ? ", continued" : "");
            if (!continued || (extras & (residual | residual_is_y))) continue;
            planes.run(table, padded, true);  // over the sums it begins with
            ASSERT_TRUE(planes.right(real && fuses(table))) << (padded ? "padded" : "masked") << ", continued in place";
        }
    }
}

// Calls f(k, stride).
template <class F>
void for_each_size(const F& f) {
    for (const std::int64_t k : {3, 5, 7}) {
        for (const std::int64_t stride : {1, 2}) f(k, stride);
    }
}

template <class T>
class DepthwiseRowKernels : public ::testing::Test {};
TYPED_TEST_SUITE(DepthwiseRowKernels, Elements);

TYPED_TEST(DepthwiseRowKernels, TableIsComplete) {
    for_each_set<TypeParam>([&](const KernelTable& table, const Kernels<TypeParam>&) {
        const auto& kernels = depthwise_kernels_of<TypeParam>(table);
        const bool masks = kernels.planes[0][0].first != nullptr;
        for_each_size([&](std::int64_t k, std::int64_t stride) {
            const auto &padded = kernels.padded_planes[k / 2 - 1][stride - 1], &planes = kernels.planes[k / 2 - 1][stride - 1];
            EXPECT_NE(padded.first, nullptr);
            EXPECT_EQ(planes.first != nullptr, masks);
            EXPECT_EQ(padded.continued != nullptr, k == 3);
            EXPECT_EQ(planes.continued != nullptr, masks && k == 3);
        });
    });
}

// Every width and height, paddings at random: from none to the whole kernel but one.
TYPED_TEST(DepthwiseRowKernels, EverySize) {
    using T = TypeParam;
    Random random(1);
    for_each_set<T>([&](const KernelTable& table, const Kernels<T>&) {
        for_each_size([&](std::int64_t k, std::int64_t stride) {
            for (std::int64_t width = 1; width <= 40; ++width) {
                for (std::int64_t height = 1; height <= 9; ++height) {
                    const auto padding = [&] { return random.integer(0, k - 1); };
                    Layer l{k, stride, random.integer(1, 3), height, width, 0, 0, 0, 0, random.integer(0, 1) * 3};
                    do {
                        l.top = padding(), l.left = padding(), l.bottom = padding(), l.right = padding();
                    } while (!l.valid());
                    check<T>(table, l, all_extras[random.integer(0, 6)], guard_sides[random.integer(0, 1)], random);
                    if (this->HasFatalFailure()) return;
                }
            }
        });
    });
}

// Every padding at the left and the right, with outputs one more and one less than whole vectors and strips of them.
TYPED_TEST(DepthwiseRowKernels, EveryPaddingOfColumns) {
    using T = TypeParam;
    Random random(2);
    for_each_set<T>([&](const KernelTable& table, const Kernels<T>& kernels) {
        for_each_size([&](std::int64_t k, std::int64_t stride) {
            for (const std::int64_t vectors : {1, 2, 3, 4, 5, 9}) {
                for (std::int64_t more = -1; more <= 1; ++more) {
                    for (std::int64_t left = 0; left < k; ++left) {
                        for (std::int64_t right = 0; right < k; ++right) {
                            const std::int64_t width = stride * (vectors * kernels.lanes + more - 1) + k - left - right;
                            if (width < 1) continue;
                            const Layer l{k, stride, 1, k, width, k / 2, left, k / 2, right, 0};
                            check<T>(table, l, bias, guard_sides[random.integer(0, 1)], random);
                            if (this->HasFatalFailure()) return;
                        }
                    }
                }
            }
        });
    });
}

// Every padding above and below.
TYPED_TEST(DepthwiseRowKernels, EveryPaddingOfRows) {
    using T = TypeParam;
    Random random(3);
    for_each_set<T>([&](const KernelTable& table, const Kernels<T>&) {
        for_each_size([&](std::int64_t k, std::int64_t stride) {
            for (std::int64_t height = 1; height <= 12; ++height) {
                for (std::int64_t top = 0; top < k; ++top) {
                    for (std::int64_t bottom = 0; bottom < k; ++bottom) {
                        const Layer l{k, stride, 2, height, 2 * k, top, k / 2, bottom, k / 2, 0};
                        if (!l.valid()) continue;
                        check<T>(table, l, 0, guard_sides[random.integer(0, 1)], random);
                        if (this->HasFatalFailure()) return;
                    }
                }
            }
        });
    });
}

// A function of the sums that is not applied in registers, on strips of a wide plane: each value once.
TYPED_TEST(DepthwiseRowKernels, ActivationOfWideRows) {
    using T = TypeParam;
    Random random(4);
    for_each_set<T>([&](const KernelTable& table, const Kernels<T>& kernels) {
        for_each_size([&](std::int64_t k, std::int64_t stride) {
            for (const unsigned extras : all_extras) {
                const Layer l{k, stride, 2, 7, stride * 9 * kernels.lanes + 3, k / 2, k / 2, k / 2, k / 2, 2};
                check<T>(table, l, extras, GuardPages::after, random);
                if (this->HasFatalFailure()) return;
            }
        });
    });
}

}  // namespace
}  // namespace npconv::test
