// SPDX-License-Identifier: BSD-3-Clause
// What the pooling kernels are told, and their table. Plain data only: see table.hpp for why.
#pragma once
#include <cstdint>

namespace npconv {

// One axis of a pooling. Output o pools the inputs o * stride - pad_before + t * dilation, t < kernel, that exist; with `spread` the other
// way round, as the gradient needs it: output o pools the inputs i with i * stride - pad_before + t * dilation == o.
struct PoolAxis {
    std::int64_t input, output;
    std::int64_t kernel, stride, dilation, pad_before;
    bool spread;
    // Windows of the outputs in this axis are pooled from prefixes and suffixes of blocks (van Herk); or over and over, from lines that are
    // kept in so many slots.
    bool blocks;
    std::int64_t slots;
};

// What is made of a value before it is pooled, and of a sum afterwards. flip: -v, of integers ~v, which reverses their order.
enum class PoolBefore : int { nothing, divide, power, flip };
enum class PoolAfter : int { nothing, divide, root };

// A place in memory for the values of lines, and one for their places in the plane where these are asked for.
struct PoolBuffer {
    void* values;
    void* places;
};

// One task: outputs begin..end of each axis, of one plane (channels first) or of `unit` channels of an image (channels last).
// X: the elements of x and y. Elements of buffers may be wider: see PoolKernels.
template <class X>
struct PoolBlock {
    const X* x;              // the plane, or the first of the channels
    std::int64_t x_step[3];  // elements between neighbours on depth, height, width
    std::int64_t x_channel;  // and between channels
    X* y;
    std::int64_t* places;  // of the maxima, laid out as y; or null
    std::int64_t y_pixel;  // elements between neighbours in y: all channels, or 1
    std::int64_t unit;
    PoolAxis axis[3];
    std::int64_t begin[3], end[3];
    PoolBefore before;
    PoolAfter after;
    const X* counted[3];  // numbers of elements that a quotient counts, along each axis (of the output, or before: of the input), or null
    X divisor;            // the product of all the others
    double power;
    bool whole_steps;  // along the width windows neither overlap nor meet the border: stride == kernel of 2 or 4
    bool few_taps;     // channels last: each window at once
    bool strips;       // channels first: strips of outputs, see pool_strips.inl; slab_rows at a time
    bool dense;        // a row is pooled at every place (stride 1, or long windows), then picked
    // Channels first, planes of one slice, kernels of at most 8 rows: so many output rows at once from a slab of whole rows, `slot`
    // elements apart, in which pooling along the width is one long loop. 0: row by row.
    std::int64_t slab_rows;
    std::int64_t slot;
    std::int64_t row_pitch;  // elements of a phase of a row, or of a slab
    std::int64_t line;       // elements of a pooled row in a slot, rounded up to whole vectors and more
    std::int64_t lead;       // elements before a line that may be written, too
    PoolBuffer raw;          // a row as it is pooled
    PoolBuffer staged;       // its phases with the border around
    PoolBuffer partial;      // sums of a part of the window; phases of a row that is spread
    PoolBuffer picked;       // results at every place, of which some are picked
    PoolBuffer rows;         // slots of pooled rows
    PoolBuffer rows_so_far;  // one more: prefixes, or a first part of many rows
    PoolBuffer slices;       // slots of pooled slices, where the depth is pooled
    PoolBuffer slices_so_far;
    PoolBuffer result;      // a line
    std::int64_t* row_tag;  // which row stands in a slot
    std::int64_t* slice_tag;
};

// The pooling kernels of one type of elements.
template <class X>
struct PoolKernels {
    int lanes;        // of X
    bool masks;       // are there loads with masks?
    int wide_lanes;   // of the elements of buffers where places are asked for,
    int power_lanes;  // and in sums of powers
    int wide_bytes;   // the size of such an element
    void (*maximum)(const PoolBlock<X>&);
    void (*maximum_and_place)(const PoolBlock<X>&);
    void (*sum)(const PoolBlock<X>&);            // float types only, as all below
    void (*sum_of_powers)(const PoolBlock<X>&);  // in double
    // Sums in double of up to some thousands of values: of a run; of many runs of one length, one after the other in memory, in the same
    // order; of each of the channels of n pixels that stand `step` elements apart.
    double (*sum_of_run)(const X* x, std::int64_t n);
    void (*sums_of_runs)(const X* x, std::int64_t length, std::int64_t runs, double* sums);
    void (*sums_of_pixels)(const X* x, std::int64_t step, std::int64_t n, std::int64_t channels, double* sums);
    void (*add)(const X* x, std::int64_t n, X* y);  // y += x
    // The value of the maximum of n >= 1 values (which of several zeros or NaNs is open); of each of the channels of n pixels, joined to
    // `maxima` in order.
    X (*maximum_of_run)(const X* x, std::int64_t n);
    bool (*within)(const X* x, std::int64_t n, X least, X most);  // are all n values? Of int64 only
    void (*join_pixels)(const X* x, std::int64_t step, std::int64_t n, std::int64_t channels, X* maxima);
};

struct PoolTable {
    PoolKernels<float> f32;
    PoolKernels<double> f64;
    PoolKernels<std::int8_t> i8;
    PoolKernels<std::uint8_t> u8;
    PoolKernels<std::int16_t> i16;
    PoolKernels<std::int32_t> i32;
    PoolKernels<std::int64_t> i64;
};

extern const PoolTable pool_kernels_baseline, pool_kernels_avx2, pool_kernels_avx512, pool_kernels_neon;

}  // namespace npconv
