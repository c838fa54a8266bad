// SPDX-License-Identifier: BSD-3-Clause
// The pooling kernels and their arguments. Plain data only: see table.hpp for why.
#pragma once
#include <cstdint>

namespace npconv {

// One axis of a pooling. Output o pools the inputs o * stride - pad_before + t * dilation, t < kernel, that exist. With `spread`, for
// gradients, output o pools the inputs i with i * stride - pad_before + t * dilation == o for some t.
struct PoolAxis {
    std::int64_t input, output;
    std::int64_t kernel, stride, dilation, pad_before;
    bool spread;
    // blocks: windows along this axis are pooled from prefixes and suffixes of blocks (van Herk). If false, each window is pooled anew from
    // lines that are kept. slots: number of lines that are kept.
    bool blocks;
    std::int64_t slots;
};

// The operation on a value before it is pooled, and on a sum afterwards. flip reverses the order of values: -v for floats, ~v for integers.
enum class PoolBefore : int { nothing, divide, power, flip };
enum class PoolAfter : int { nothing, divide, root };

// Memory for the values of lines, and for their places in the plane, if places are requested.
struct PoolBuffer {
    void* values;
    void* places;
};

// One task: outputs begin..end of each axis, of one plane (channels first) or of `unit` channels of an image (channels last).
// X: the element type of x and y. Buffers may have wider elements: see PoolKernels.
template <class X>
struct PoolBlock {
    const X* x;              // the plane, or the first of the channels
    std::int64_t x_step[3];  // elements between neighbours on depth, height, width
    std::int64_t x_channel;  // and between channels
    X* y;
    std::int64_t* places;  // places of the maxima, with the layout of y; or null
    std::int64_t y_pixel;  // elements between pixels of y: the number of channels, or 1
    std::int64_t unit;
    PoolAxis axis[3];
    std::int64_t begin[3], end[3];
    PoolBefore before;
    PoolAfter after;
    const X* counted[3];  // tables of the number of elements that divisors count along each axis (after pooling: of outputs; before: of
                          // inputs), or null
    X divisor;            // the product of the divisors of axes without a table
    double power;
    bool whole_steps;  // along the width, windows neither overlap nor meet the border: stride == kernel == 2 or 4
    bool few_taps;     // channels last: all taps of a window at once
    bool strips;       // channels first: strips of outputs, slab_rows rows at a time; see pool_strips.inl
    bool dense;        // a row is pooled at every place (stride 1, or long windows), then results are picked
    // Channels first, planes of one slice, kernels of at most 8 rows: slab_rows output rows are pooled at once from a slab of whole rows,
    // `slot` elements apart. Pooling along the width is then one long loop. slab_rows == 0: row by row.
    std::int64_t slab_rows;
    std::int64_t slot;
    std::int64_t row_pitch;  // elements of a phase of a row, or of a slab
    std::int64_t line;       // elements of a pooled row in a slot: whole vectors, with room for writes beyond the end
    std::int64_t lead;       // elements before a line that may be overwritten
    PoolBuffer raw;          // a row of values to pool
    PoolBuffer staged;       // the phases of that row, with their border
    PoolBuffer partial;      // sums over a part of the window; spread: phases of a row
    PoolBuffer picked;       // results at every place, before some are picked
    PoolBuffer rows;         // slots of pooled rows
    PoolBuffer rows_so_far;  // one more slot: prefixes, or the join of a first part of many rows
    PoolBuffer slices;       // slots of pooled slices, if the depth is pooled
    PoolBuffer slices_so_far;
    PoolBuffer result;      // a line
    std::int64_t* row_tag;  // the row that a slot holds
    std::int64_t* slice_tag;
};

// The pooling kernels of one type of elements.
template <class X>
struct PoolKernels {
    void (*maximum)(const PoolBlock<X>&);
    void (*maximum_and_place)(const PoolBlock<X>&);
    void (*sum)(const PoolBlock<X>&);            // this and all below: float types only
    void (*sum_of_powers)(const PoolBlock<X>&);  // in double
    // Sums in double of up to several thousand values: of a run; of many contiguous runs of one length, each in the same order; of each
    // channel of n pixels that are `step` elements apart.
    double (*sum_of_run)(const X* x, std::int64_t n);
    void (*sums_of_runs)(const X* x, std::int64_t length, std::int64_t runs, double* sums);
    void (*sums_of_pixels)(const X* x, std::int64_t step, std::int64_t n, std::int64_t channels, double* sums);
    void (*add)(const X* x, std::int64_t n, X* y);  // y += x
    // The maximum of n >= 1 values, where any of several zeros or NaNs may be returned; the maxima of each channel of n pixels, joined to
    // `maxima` in order.
    X (*maximum_of_run)(const X* x, std::int64_t n);
    bool (*within)(const X* x, std::int64_t n, X least, X most);  // are all n values in least..most? int64 only
    void (*join_pixels)(const X* x, std::int64_t step, std::int64_t n, std::int64_t channels, X* maxima);
};

struct PoolTable {
    const PoolKernels<float>* f32;
    const PoolKernels<double>* f64;
    const PoolKernels<std::int8_t>* i8;
    const PoolKernels<std::uint8_t>* u8;
    const PoolKernels<std::int16_t>* i16;
    const PoolKernels<std::int32_t>* i32;
    const PoolKernels<std::int64_t>* i64;
};

extern const PoolTable pool_kernels_baseline, pool_kernels_avx2, pool_kernels_avx512, pool_kernels_neon;

}  // namespace npconv
