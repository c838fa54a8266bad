// SPDX-License-Identifier: BSD-3-Clause
#include "plan/work.hpp"

#include <algorithm>

#include "core/split.hpp"
#include "kernels/table.hpp"

namespace npconv {
namespace {

struct NamedWork {
    Work work;
    const char* name;
};
constexpr NamedWork names[] = {
    {Work::gemm_call, "gemm_call"},
    {Work::gemm_task, "gemm_task"},
    {Work::gemm_tile, "gemm_tile"},
    {Work::gemm_segment, "gemm_segment"},
    {Work::gemm_product, "gemm_product"},
    {Work::gemm_far_product, "gemm_far_product"},
    {Work::gemm_far_read, "gemm_far_read"},
    {Work::gemm_line, "gemm_line"},
    {Work::gemm_memory_line, "gemm_memory_line"},
    {Work::gemm_weights, "gemm_weights"},
    {Work::gemm_memory_weights, "gemm_memory_weights"},
    {Work::gemm_stored, "gemm_stored"},
    {Work::gemm_transposed, "gemm_transposed"},
    {Work::gemm_turned, "gemm_turned"},
    {Work::pixel_product, "pixel_product"},
    {Work::pixel_stored, "pixel_stored"},
    {Work::pixel_copied, "pixel_copied"},
    {Work::pixel_picked, "pixel_picked"},
    {Work::pixel_run, "pixel_run"},
    {Work::pixel_line, "pixel_line"},
    {Work::pixel_memory_line, "pixel_memory_line"},
    {Work::direct_call, "direct_call"},
    {Work::direct_task, "direct_task"},
    {Work::direct_product, "direct_product"},
    {Work::direct_summed, "direct_summed"},
    {Work::direct_stored, "direct_stored"},
    {Work::direct_turned, "direct_turned"},
    {Work::direct_copied, "direct_copied"},
    {Work::direct_picked, "direct_picked"},
    {Work::direct_run, "direct_run"},
    {Work::direct_line, "direct_line"},
    {Work::direct_memory_line, "direct_memory_line"},
    {Work::winograd_call, "winograd_call"},
    {Work::winograd_judged, "winograd_judged"},
    {Work::winograd_block, "winograd_block"},
    {Work::winograd_row, "winograd_row"},
    {Work::winograd_output_row, "winograd_output_row"},
    {Work::winograd_line, "winograd_line"},
    {Work::winograd_memory_line, "winograd_memory_line"},
    {Work::winograd_gathered, "winograd_gathered"},
    {Work::winograd_turned, "winograd_turned"},
    {Work::winograd_input, "winograd_input"},
    {Work::winograd_tile, "winograd_tile"},
    {Work::winograd_product, "winograd_product"},
    {Work::winograd_weights, "winograd_weights"},
    {Work::winograd_far, "winograd_far"},
    {Work::winograd_memory, "winograd_memory"},
    {Work::winograd_summed, "winograd_summed"},
    {Work::winograd_output, "winograd_output"},
    {Work::winograd_stored, "winograd_stored"},
    {Work::winograd_transposed, "winograd_transposed"},
    {Work::winograd_made, "winograd_made"},
    {Work::winograd_in_registers, "winograd_in_registers"},
    {Work::depthwise_call, "depthwise_call"},
    {Work::depthwise_task, "depthwise_task"},
    {Work::depthwise_tile, "depthwise_tile"},
    {Work::depthwise_step, "depthwise_step"},
    {Work::depthwise_product, "depthwise_product"},
    {Work::depthwise_gathered, "depthwise_gathered"},
    {Work::depthwise_turned, "depthwise_turned"},
    {Work::depthwise_picked, "depthwise_picked"},
    {Work::depthwise_stored, "depthwise_stored"},
    {Work::depthwise_transposed, "depthwise_transposed"},
    {Work::depthwise_plane, "depthwise_plane"},
    {Work::depthwise_row, "depthwise_row"},
    {Work::depthwise_row_product, "depthwise_row_product"},
    {Work::depthwise_row_stored, "depthwise_row_stored"},
    {Work::depthwise_copied, "depthwise_copied"},
    {Work::depthwise_line, "depthwise_line"},
    {Work::depthwise_memory_line, "depthwise_memory_line"},
    {Work::packed_call, "packed_call"},
    {Work::packed_tap, "packed_tap"},
    {Work::packed_point, "packed_point"},
    {Work::packed_page, "packed_page"},
    {Work::naive_product, "naive_product"},
};
static_assert(sizeof names / sizeof names[0] == work_count);

// In the order of the names.
using Rates = std::array<double, work_count>;

#include "plan/work_rates.inc"

struct NamedRates {
    const Rates& rates;
    const char* name;
};

NamedRates rates_of(const Core& core, int vector_bytes) {
    if (vector_bytes < 32) return {rates_of_16_bytes, "rates_of_16_bytes"};
    if (vector_bytes < 64) return {rates_of_32_bytes, "rates_of_32_bytes"};
    if (core.wide_products == 1) return {rates_of_64_bytes_one_product, "rates_of_64_bytes_one_product"};
    if (core.far_sighted) return {rates_of_64_bytes_far_sighted, "rates_of_64_bytes_far_sighted"};
    return {rates_of_64_bytes_two_products, "rates_of_64_bytes_two_products"};
}

}  // namespace

void count_far(double bytes, double n, Work beyond_second, Work beyond_third, WorkCounts& work) {
    // How much of the third-level cache there is depends on who else uses it: an array is partly beyond it from the first size on, and from
    // the second on all of it.
    constexpr double second_level = 800e3, some_beyond_third = 6e6, all_beyond_third = 12e6;
    if (bytes < second_level) return;
    const double part = std::clamp((bytes - some_beyond_third) / (all_beyond_third - some_beyond_third), 0.0, 1.0);
    work[beyond_second] = n * (1.0 - part);
    work[beyond_third] = n * part;
}

double lines_of_input(const Problem& p) {
    const ConvShape& s = p.shape;
    std::array<double, 3> read;  // planes, rows and pixels: what a step leaves out is not
    for (std::size_t a = 0; a < 3; ++a) {
        const Axis& axis = s.axis[a];
        read[a] = as_double(axis.input);
        if (axis.stride > axis.kernel) read[a] = std::min(read[a], as_double(axis.output) * as_double(axis.kernel));
    }
    const bool last = p.layout == Layout::channels_last;
    const double channels = as_double(s.in_channels), row = last ? read[2] * channels : as_double(s.axis[2].input);
    const double rows = as_double(s.batch) * as_double(s.groups) * read[0] * read[1] * (last ? 1.0 : channels);
    return rows * std::max(1.0, row * as_double(size_of(p.dtype)) / line_bytes);
}

double lines_by_groups(const Problem& p) {
    const ConvShape& s = p.shape;
    const double lines = lines_of_input(p), bytes = as_double(s.in_channels) * as_double(size_of(p.dtype));
    if (p.layout == Layout::channels_first || s.groups == 1 || bytes == 0) return lines;
    return lines * std::max(1.0, line_bytes / bytes);
}

WorkCounts packing_work(double taps, double at_points, const Problem& p, const Context& on) {
    constexpr double page = 4096.0, large = 8'000'000.0;  // bytes
    const auto element = static_cast<double>(size_of(p.dtype)), bytes = (taps + at_points) * element;
    WorkCounts work;
    work[Work::packed_call] = 1.0;
    work[Work::packed_tap] = taps;
    work[Work::packed_point] = at_points * element / on.vector_bytes();
    if (bytes >= large) work[Work::packed_page] = bytes / page;
    return work;
}

const char* rates_name(const Core& core, int vector_bytes) { return rates_of(core, vector_bytes).name; }

const char* name_of(Work work) { return names[static_cast<std::size_t>(work)].name; }

double cycles_of(const WorkCounts& work, const Core& core, int vector_bytes) {
    const Rates& rates = rates_of(core, vector_bytes).rates;
    double cycles = 0.0;
    for (std::size_t i = 0; i < work_count; ++i) cycles += rates[i] * work[static_cast<Work>(i)];
    return cycles;
}

}  // namespace npconv
