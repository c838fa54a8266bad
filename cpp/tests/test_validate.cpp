// SPDX-License-Identifier: BSD-3-Clause
// validate: every refusal with its message, every product that could overflow, and the formulas of padding against their definitions.
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <stdexcept>
#include <string>

#include "core/validate.hpp"
#include "shapes.hpp"

namespace npconv::test {
namespace {

constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t pot(int e) { return std::int64_t{1} << e; }

std::string refusal_of(const ConvRequest& r) {
    try {
        validate(r);
    } catch (const std::invalid_argument& e) {
        return e.what();
    }
    return "accepted";
}

struct Refusal {
    const char* what;
    std::function<void(ConvRequest&)> change;  // of an 8 x 9 image, 4 -> 6 channels, kernel 3, padding (1, 1)
    const char* message;
};

TEST(Validate, RefusesWithTheArgumentAndItsValue) {
    const Refusal refusals[] = {
        {"stride 0", [](auto& r) { r.stride = {2, 0}; }, "stride must be at least 1 on every axis, got (2, 0)"},
        {"stride -1", [](auto& r) { r.stride = {-1, 2}; }, "stride must be at least 1 on every axis, got (-1, 2)"},
        {"dilation 0", [](auto& r) { r.dilation = {0, 1}; }, "dilation must be at least 1 on every axis, got (0, 1)"},
        {"kernel 0", [](auto& r) { r.kernel = {3, 0}; }, "the kernel (spatial axes of w) must be at least 1 on every axis, got (3, 0)"},
        {"padding before", [](auto& r) { r.padding.before = {-1, 0}; }, "padding must be at least 0 on every axis, got (-1, 0)"},
        {"padding after", [](auto& r) { r.padding.after = {0, -2}; }, "padding must be at least 0 on every axis, got (0, -2)"},
        {"groups 0", [](auto& r) { r.groups = 0; }, "groups must be at least 1, got 0"},
        {"channels", [](auto& r) { r.channels = 5; },
         "x has 5 channels with layout=\"channels_first\", but w takes 4 (w.shape[1]) in each of groups=1, expected 4"},
        {"channels of groups", [](auto& r) { r.groups = 2; },
         "x has 4 channels with layout=\"channels_first\", but w takes 4 (w.shape[1]) in each of groups=2, expected 8"},
        {"groups divide", [](auto& r) { r.groups = 4, r.w_in = 1; },
         "groups must divide the output channels, got groups=4 and 6 output channels (w.shape[0])"},
        {"kernel too large", [](auto& r) { r.kernel = {3, 12}; },
         "the kernel must not be larger than the padded input, got kernel 12 for 11 elements (9 and padding) on spatial axis 1"},
        {"dilated too large", [](auto& r) { r.dilation = {5, 1}; },
         "the kernel must not be larger than the padded input, got kernel 3 with dilation 5 (11 elements) for 10 elements (8 and padding) "
         "on spatial axis 0"},
        {"empty axis", [](auto& r) { r.input = {8, 0}, r.border = Border::reflect; },
         "padding of an empty axis needs padding_mode=\"zeros\": x has size 0 on spatial axis 1"},
    };
    for (const Refusal& refusal : refusals) {
        ConvRequest r = image(8, 9, 4, 6, 3);
        r.padding.kind = PaddingKind::given;
        r.padding.before = r.padding.after = {1, 1};
        ASSERT_EQ(refusal_of(r), "accepted");
        refusal.change(r);
        EXPECT_EQ(refusal_of(r), refusal.message) << refusal.what;
    }
}

// Each request is the smallest change that makes one product or sum overflow; its neighbour just below it is accepted where `fits` says so.
TEST(Validate, RefusesEveryOverflow) {
    struct Overflow {
        ConvRequest request;
        const char* message;
    };
    const auto with = [](ConvRequest r, const std::function<void(ConvRequest&)>& change) {
        change(r);
        return r;
    };
    const ConvRequest one = line(8, 1, 1, 1, 0, 0), two = with(image(1, 1, 1, 1), [](auto& r) { r.padding.kind = PaddingKind::valid; });
    const Overflow overflows[] = {
        {with(one, [](auto& r) { r.w_in = pot(32), r.groups = pot(31); }),
         "w.shape[1] * groups does not fit in 64 bits (4294967296 * 2147483648)"},
        {line(8, 3, 1, pot(62), 0, 0), "dilation * (kernel - 1) does not fit in 64 bits (2 * 4611686018427387904)"},
        {line(8, 2, 1, most, 0, 0), "dilation * (kernel - 1) does not fit in 64 bits (9223372036854775807 + 1)"},
        {line(8, 1, 1, 1, pot(62), pot(62)), "padding does not fit in 64 bits (4611686018427387904 + 4611686018427387904)"},
        {line(8, 1, 1, 1, most - 7, 0), "padding: the padded size does not fit in 64 bits (8 + 9223372036854775800)"},
        {with(line(8, 2, 1, most - 1, 0, 0), [](auto& r) { r.padding.kind = PaddingKind::same; }),
         "padding: the padded size does not fit in 64 bits (7 + 9223372036854775807)"},
        {with(line(8, 2, 1, pot(62), 0, 0), [](auto& r) { r.padding.kind = PaddingKind::full; }),
         "padding does not fit in 64 bits (4611686018427387904 + 4611686018427387904)"},
        {with(two, [](auto& r) { r.padding.kind = PaddingKind::same, r.kernel = {pot(32), pot(31)}, r.input = {0, 0}; }),
         "w: the number of its taps does not fit in 64 bits (4294967296 * 2147483648)"},
        {with(two, [](auto& r) { r.input = {pot(32), pot(31)}; }),
         "x and padding: the number of output pixels does not fit in 64 bits (4294967296 * 2147483648)"},
        {with(two, [](auto& r) { r.input = {pot(32), pot(31)}, r.stride = {pot(32), 1}; }),
         "x: its size does not fit in 64 bits (4294967296 * 2147483648)"},
        {with(one, [](auto& r) { r.w_in = r.channels = pot(62), r.kernel = {2}, r.input = {0}, r.padding.kind = PaddingKind::same; }),
         "w: channels * taps does not fit in 64 bits (2 * 4611686018427387904)"},
        {with(one, [](auto& r) { r.batch = pot(32), r.groups = r.channels = r.w_out = pot(31); }),
         "x: its size does not fit in 64 bits (4294967296 * 2147483648)"},
        {with(one, [](auto& r) { r.batch = pot(32), r.channels = r.w_in = pot(31); }),
         "x: its size does not fit in 64 bits (4294967296 * 2147483648)"},
        {with(one, [](auto& r) { r.batch = pot(60); }), "x: its size does not fit in 64 bits (1152921504606846976 * 8)"},
        {with(one, [](auto& r) { r.batch = pot(32), r.w_out = pot(31), r.w_in = r.channels = 0; }),
         "x and w: the size of the output does not fit in 64 bits (4294967296 * 2147483648)"},
        {with(one, [](auto& r) { r.w_out = pot(60); }),
         "x and w: the size of the output does not fit in 64 bits (1152921504606846976 * 8)"},
        {with(one, [](auto& r) { r.w_out = pot(58); }),
         "x and w: the size of the output in bytes does not fit in 64 bits (2305843009213693952 * 4)"},
        {with(one, [](auto& r) { r.w_out = pot(57), r.dtype = DType::f64; }),
         "x and w: the size of the output in bytes does not fit in 64 bits (1152921504606846976 * 8)"},
        {with(one, [](auto& r) { r.w_out = pot(50), r.w_in = r.channels = pot(10); }),
         "x and w: the number of operations does not fit in 64 bits (9007199254740992 * 1024)"},
        {with(one, [](auto& r) { r.w_out = pot(50), r.w_in = r.channels = pot(9); }),
         "x and w: the number of operations does not fit in 64 bits (4611686018427387904 * 2)"},
        {with(one, [](auto& r) { r.w_out = most, r.input = {0}, r.padding.kind = PaddingKind::same; }),
         "w: the number of output channels does not fit in 64 bits (9223372036854775807 + 64)"},
        {with(one, [](auto& r) { r.w_out = 0, r.w_in = 0, r.channels = 0, r.groups = pot(57); }),
         "w: its size when packed does not fit in 64 bits (64 * 144115188075855872)"},
        {with(one, [](auto& r) { r.w_out = 0, r.channels = r.w_in = pot(57); }),
         "w: its size when packed does not fit in 64 bits (64 * 144115188075855872)"},
        {with(one, [](auto& r) { r.w_out = 0, r.channels = r.w_in = pot(56), r.dtype = DType::f64; }),
         "w: its size in bytes when packed does not fit in 64 bits (4611686018427387904 * 8)"},
    };
    for (const Overflow& o : overflows) EXPECT_EQ(refusal_of(o.request), o.message) << text_of(o.request);
    for (const ConvRequest& fits : {line(8, 2, 1, most - 40, 0, most - 20), line(8, 1, most, 1, 0, 0),
                                    line(8, 1, pot(61), 1, pot(62), pot(61)), with(one, [](auto& r) { r.w_out = pot(57) / 2; })}) {
        EXPECT_EQ(refusal_of(fits), "accepted") << text_of(fits);
    }
}

TEST(Validate, JudgesTheBatchOfACall) {
    const ConvShape s = validate(image(8, 9, 4, 6, 3));
    EXPECT_EQ(with_batch(s, 5, DType::f32).batch, 5);
    EXPECT_EQ(with_batch(s, 0, DType::f32).batch, 0);
    try {
        with_batch(s, pot(60), DType::f32);
        ADD_FAILURE() << "accepted";
    } catch (const std::invalid_argument& e) {
        EXPECT_STREQ(e.what(), "x: its size does not fit in 64 bits (4611686018427387904 * 72)");
    }
}

// The definitions: as many outputs as there are multiples of the stride in the input; the least padding that lets them all be covered.
TEST(Validate, PaddingByName) {
    for (std::int64_t input = 0; input <= 12; ++input) {
        for (std::int64_t kernel = 1; kernel <= 5; ++kernel) {
            for (std::int64_t stride = 1; stride <= 4; ++stride) {
                for (std::int64_t dilation = 1; dilation <= 3; ++dilation) {
                    ConvRequest r = line(input, kernel, stride, dilation, 0, 0);
                    SCOPED_TRACE(text_of(r));
                    const std::int64_t reach = dilation * (kernel - 1) + 1;
                    std::int64_t output = 0, total = 0;
                    while (output * stride < input) ++output;
                    while (output > 0 && (output - 1) * stride + reach > input + total) ++total;
                    const auto expect = [&](PaddingKind kind, std::int64_t out, std::int64_t before, std::int64_t after) {
                        r.padding.kind = kind;
                        const Axis a = validate(r).axis[2];
                        EXPECT_TRUE(a.output == out && a.pad_before == before && a.pad_after == after)
                            << "got " << a.output << " and (" << a.pad_before << ", " << a.pad_after << "), expected " << out << " and ("
                            << before << ", " << after << ")";
                    };
                    expect(PaddingKind::same, output, total / 2, (total + 1) / 2);
                    expect(PaddingKind::same_lower, output, (total + 1) / 2, total / 2);
                    expect(PaddingKind::causal, output, total, 0);
                    std::int64_t windows = 0;
                    while (windows * stride + reach <= input + 2 * (reach - 1)) ++windows;
                    if (windows > 0) expect(PaddingKind::full, windows, reach - 1, reach - 1);
                    windows = 0;
                    while (windows * stride + reach <= input) ++windows;
                    if (windows > 0) expect(PaddingKind::valid, windows, 0, 0);
                }
            }
        }
    }
}

TEST(Validate, DescribesEveryRank) {
    for (int rank = 1; rank <= 3; ++rank) {
        const auto n = static_cast<std::size_t>(rank);
        ConvRequest r;
        r.rank = rank;
        r.batch = 2, r.channels = 6, r.groups = 3, r.w_in = 2, r.w_out = 9;
        r.input.assign(n, 5), r.kernel.assign(n, 2), r.stride.assign(n, 2), r.dilation.assign(n, 3);
        r.padding.before.assign(n, 1), r.padding.after.assign(n, 4);
        const ConvShape s = validate(r);
        EXPECT_TRUE(s.batch == 2 && s.groups == 3 && s.in_channels == 2 && s.out_channels == 3);
        for (std::size_t a = 0; a < 3; ++a) {
            const Axis& x = s.axis[a];
            if (a < 3 - n) {
                EXPECT_TRUE(x.input == 1 && x.output == 1 && x.kernel == 1 && x.stride == 1 && x.dilation == 1 && !x.padded());
                continue;
            }
            EXPECT_TRUE(x.input == 5 && x.output == 4 && x.kernel == 2 && x.stride == 2 && x.dilation == 3 && x.padded());
            for (std::int64_t o = 0; o < 4; ++o) EXPECT_TRUE(x.at(o, 0) == 2 * o - 1 && x.at(o, 1) == 2 * o + 2);
        }
        EXPECT_EQ(s.k(), 2 << rank);
        EXPECT_EQ(s.macs(), 2 * 3 * 3 * s.pixels() * s.k());
    }
    EXPECT_EQ(tuple_text({1}) + tuple_text({1, -2}) + tuple_text({}), "(1,)(1, -2)()");
}

}  // namespace
}  // namespace npconv::test
