// SPDX-License-Identifier: BSD-3-Clause
// The planner's estimates: counts of the work of an algorithm, and their cost. Counts follow from shape and tiling alone. The cost of each
// kind of work, in cycles, is measured for each kind of core (bench/calibrate.py), and stored in work_rates.inc.
#pragma once
#include <array>
#include <cstddef>

#include "plan/context.hpp"
#include "plan/problem.hpp"

namespace npconv {

// Vectors have the size of the kernel set in use. Products are counted in cycles of a core that never waits for data.
enum class Work : std::size_t {
    gemm_call,              // the GEMM path
    gemm_task,              //   a block of pixels and a chunk of channels
    gemm_tile,              //   lane = channel: a register tile, and a block of k
    gemm_segment,           //   a segment: taps of the block whose pixels are neighbours
    gemm_product,           //   a multiplication of vectors
    gemm_far_product,       //     whose input is on more pages than a core translates without a look-up
    gemm_far_read,          //     a value of that input, times the stride
    gemm_line,              //   a cache line of the input that does not stay in the second-level cache
    gemm_memory_line,       //     or the third-level one
    gemm_weights,           //   a vector of weights, if they do not stay in the second-level cache
    gemm_memory_weights,    //     or the third-level one
    gemm_stored,            //   a vector of sums that leaves the registers for the output
    gemm_transposed,        //     or through a buffer
    gemm_turned,            //   a value that is copied from channels first to channels last
    pixel_product,          //   lane = pixel: a multiplication of vectors, of which most cross cache lines
    pixel_stored,           //   a vector of sums that leaves the registers
    pixel_copied,           //   a value that is copied with its neighbours
    pixel_picked,           //   every n-th value that is copied
    pixel_run,              //   a run of values that are neighbours, copied or picked
    pixel_line,             //   lines as above
    pixel_memory_line,      //
    direct_call,            // the direct convolution
    direct_task,            //   a block of pixels
    direct_product,         //   a multiplication of vectors, or a wait for their loads
    direct_summed,          //   a vector of sums that is kept for the next chunk of channels
    direct_stored,          //   a vector of sums that leaves the registers for the output
    direct_turned,          //     or a value that does, channels last
    direct_copied,          //   a value that is copied with its neighbours
    direct_picked,          //   every n-th value that is copied
    direct_run,             //   a run of values that are neighbours, copied or picked
    direct_line,            //   lines as above
    direct_memory_line,     //
    winograd_call,          // Winograd's
    winograd_judged,        //   a pixel of a tile's input that is judged, because with one channel small values are common
    winograd_block,         //   a block of tiles
    winograd_row,           //   a row of tiles of a vector of channels of the input
    winograd_output_row,    //     or of the output
    winograd_line,          //   lines as above
    winograd_memory_line,   //
    winograd_gathered,      //   a pixel of the input: a vector of adjacent channels
    winograd_turned,        //     or plane by plane
    winograd_input,         //   a point of a tile of the input, a vector
    winograd_tile,          //   a register tile, and a block of k
    winograd_product,       //   a multiplication of vectors
    winograd_weights,       //   a vector of transformed weights that a block reads
    winograd_far,           //     from beyond the second-level cache
    winograd_memory,        //     and from memory
    winograd_summed,        //   a vector of sums that a further block of k is added to
    winograd_output,        //   a point of a tile of the output, a vector
    winograd_stored,        //   a vector of outputs
    winograd_transposed,    //     that is transposed first
    winograd_made,          //   a vector of weights that is transformed where it is used
    winograd_in_registers,  //   or beside its products
    depthwise_call,         // depthwise, lane = channel
    depthwise_task,         //   a block of pixels and a chunk of channels
    depthwise_tile,         //   a register tile of pixels
    depthwise_step,         //     and a row of taps
    depthwise_product,      //   a multiplication of vectors
    depthwise_gathered,     //   a vector of channels that is copied, if they are adjacent
    depthwise_turned,       //     or plane by plane
    depthwise_picked,       //     or one by one
    depthwise_stored,       //   a vector of outputs
    depthwise_transposed,   //     that is transposed
    depthwise_plane,        //   lane = pixel: a plane of taps of a plane of outputs
    depthwise_row,          //     a row of a strip of columns
    depthwise_row_product,  //     a multiplication of vectors
    depthwise_row_stored,   //     a vector of outputs
    depthwise_copied,       //     a value that is copied with its neighbours
    depthwise_line,         //   lines as above
    depthwise_memory_line,  //
    packed_call,            // weights of a plain call
    packed_tap,             //   a value
    packed_point,           //   a transformed vector
    packed_page,            //   a page of a buffer so large that each call gets new pages
    naive_product,          // the definition: a multiplication
    count
};
constexpr auto work_count = static_cast<std::size_t>(Work::count);
const char* name_of(Work work);

class WorkCounts {
  public:
    double& operator[](Work work) { return counts_[static_cast<std::size_t>(work)]; }
    double operator[](Work work) const { return counts_[static_cast<std::size_t>(work)]; }
    WorkCounts& operator+=(const WorkCounts& other) {
        for (std::size_t i = 0; i < work_count; ++i) counts_[i] += other.counts_[i];
        return *this;
    }
    WorkCounts& operator*=(double times) {
        for (double& n : counts_) n *= times;
        return *this;
    }

  private:
    std::array<double, work_count> counts_{};
};

constexpr double line_bytes = 64.0;  // of the caches

// Counts n vectors or cache lines of an array of `bytes` bytes: those from beyond the second-level cache as beyond_second, those from
// beyond the third as beyond_third, none if the array fits in the second.
void count_far(double bytes, double n, Work beyond_second, Work beyond_third, WorkCounts& work);
// The cache lines of the input that are read at all.
double lines_of_input(const Problem& problem);
// The same if each group is read separately: channels last, several groups may share a line.
double lines_by_groups(const Problem& problem);

// The work of packing `taps` weights and `at_points` transformed values.
WorkCounts packing_work(double taps, double at_points, const Problem& problem, const Context& on);

// Cycles of one core.
double cycles_of(const WorkCounts& work, const Core& core, int vector_bytes);
const char* rates_name(const Core& core, int vector_bytes);  // name of the row in work_rates.inc

}  // namespace npconv
