// SPDX-License-Identifier: BSD-3-Clause
// A good place to start reading: tiling in plan/gemm_tiling.hpp, the microkernels in kernels/gemm.inl.
#include "algorithms/gemm.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "algorithms/epilogue.hpp"
#include "algorithms/gemm_input.hpp"
#include "algorithms/gemm_packing.hpp"
#include "algorithms/kernel_runs.hpp"
#include "algorithms/tile_lists.hpp"
#include "core/parallel.hpp"
#include "core/workspace.hpp"
#include "kernels/registry.hpp"
#include "plan/gemm_tiling.hpp"

namespace npconv {
namespace {

enum Slot : std::size_t { sums, staged, at, number, count, slot, panels, groups, segments, residual_copy, packed, slots };
using GemmWorkspace = Workspace<slots>;

template <class T>
struct Panel {
    std::int64_t length;  // vectors, or channels
    std::int64_t width;   // channels of a row of packed weights
    const T* w;
    T* sums;
    Output<T> output;
};

// The arrays of one thread.
template <class T>
struct Scratch {
    TileLists lists;
    Panel<T>* panels;
    T *sums, *staged, *residual, *packed;
};

// Channels whose sums leave the registers before they are finished: those of the chunk until the next block of k, or those of a panel to be
// transposed.
std::int64_t channels_kept(const Problem& p, const GemmTiling& t) {
    if (t.k.blocks() > 1) return t.most_channels_of_chunk();
    return t.lane == Lane::channel && p.layout == Layout::channels_first ? t.panels.longest() * t.unit : 0;
}

// With lane = channel and channels last a pixel's channels are neighbours already: there, only a border makes a copy necessary.
bool may_stage(const Problem& p, const GemmTiling& t) {
    if (t.k_length == 0 || t.made_input) return false;
    if (t.lane == Lane::pixel || p.layout == Layout::channels_first) return true;
    return p.shape.padded();
}

// raw_weights: they are packed panel by panel.
GemmWorkspace::Sizes sizes(const Problem& p, const GemmTiling& t, bool raw_weights) {
    const std::int64_t element = size_of(p.dtype), index = sizeof(std::int64_t);
    const bool pixel_lanes = t.lane == Lane::pixel;
    const std::int64_t items = TileLists::most_items(t);
    GemmWorkspace::Sizes bytes{};
    bytes[sums] = items * (pixel_lanes ? t.lanes : 1) * channels_kept(p, t) * element;
    bytes[staged] = may_stage(p, t) ? staged_elements(p.shape, t) * element : 0;
    bytes[at] = bytes[number] = items * index;
    bytes[count] = bytes[slot] = pixel_lanes ? items * index : 0;
    bytes[panels] = t.chunks.longest() * static_cast<std::int64_t>(sizeof(Panel<double>));
    bytes[groups] = TileLists::most_groups() * static_cast<std::int64_t>(sizeof(TileGroup));
    bytes[segments] = TileLists::most_segments(t) * static_cast<std::int64_t>(sizeof(Segment));
    bytes[residual_copy] = t.most_pixels() * t.most_channels_of_chunk() * element;
    bytes[packed] = raw_weights ? t.panels.longest() * t.unit * t.k.longest() * element : 0;
    return bytes;
}

template <class T>
class GemmRun {
  public:
    // shared: other runs use the same arrays between the tasks.
    GemmRun(const GemmExecution& e, const OperandsOf<T>& io, const GemmWorkspace& workspace, bool shared = false)
        : p_(e.problem),
          s_(p_.shape),
          t_(e.tiling),
          io_(io),
          kernels_(kernels_of<T>(e.kernels())),
          workspace_(workspace),
          epilogue_(p_, io),
          input_(e, io.x) {
        if (io.raw_weights) packing_.emplace(e, typed<T>(*io.raw_weights));
        // The pixels of a flat map are evenly apart, if not in x then in a copy: one list serves all tasks.
        even_ = t_.flat && !pixel_lanes() && (input_.even_step() != 0 || t_.k_length == 0);
        one_list_ = even_ && !shared;
        if (one_list_) list_evenly(scratch(0).lists, t_.most_pixels(), input_.even_step());
    }

    // LOOP 1: tasks in the order image, group, chunk, block: neighbours share their weights.
    void task(std::int64_t index, int thread) const {
        const Box pixels = t_.block(index % t_.blocks_of_map());
        index /= t_.blocks_of_map();
        const std::int64_t chunk = index % t_.chunks.parts;
        index /= t_.chunks.parts;
        compute({pixels, index / s_.groups, index % s_.groups, t_.chunks.begin(chunk), t_.chunks.length(chunk), nullptr, {}}, thread);
    }

    // No larger than the tiling's blocks, and no more panels than the tiling's chunks. The pixels are those of t_.map.
    void compute(const GemmBlocks::Block& block, int thread) const {
        Task k{};
        k.copy = static_cast<const T*>(block.x);
        k.to = static_cast<T*>(block.to.values);
        k.to_stride = block.to.stride;
        k.pixels = block.pixels;
        k.group = block.group;
        k.image = block.image;
        k.first_panel = block.first_panel;
        k.end_panel = block.first_panel + block.panels;
        k.first_pixel = (k.pixels.begin[0] * t_.map[1] + k.pixels.begin[1]) * t_.map[2] + k.pixels.begin[2];
        k.scratch = scratch(thread);
        k.panels = Panels{k.scratch.panels, k.scratch.panels + list_panels(k)};
        multiply(k);
    }

    bool finite_weights() const { return finite_weights_; }

  private:
    struct Panels {
        const Panel<T>*first, *last;
        const Panel<T>* begin() const { return first; }
        const Panel<T>* end() const { return last; }
    };

    struct Task {
        Box pixels;                // of t_.map; neighbours in y
        std::int64_t first_pixel;  // its number in y
        std::int64_t first_panel, end_panel;
        std::int64_t group, image;
        const T* copy;  // of its input, or null
        T* to;          // where its results go, or null: to y
        std::int64_t to_stride;
        Scratch<T> scratch;
        Panels panels;
    };

    Scratch<T> scratch(int thread) const {
        const auto integers = [&](Slot array, int of) { return workspace_.template get<std::int64_t>(of, array); };
        const int lists = one_list_ ? 0 : thread;
        Scratch<T> s;
        s.lists = {integers(at, lists),
                   integers(number, lists),
                   integers(count, thread),
                   integers(slot, thread),
                   workspace_.template get<TileGroup>(thread, groups),
                   workspace_.template get<Segment>(thread, segments)};
        s.panels = workspace_.template get<Panel<T>>(thread, panels);
        s.sums = workspace_.template get<T>(thread, sums);
        s.staged = workspace_.template get<T>(thread, staged);
        s.residual = workspace_.template get<T>(thread, residual_copy);
        s.packed = workspace_.template get<T>(thread, packed);
        return s;
    }

    bool pixel_lanes() const { return t_.lane == Lane::pixel; }
    bool transposed() const { return !pixel_lanes() && p_.layout == Layout::channels_first; }

    struct Step {
        KBlock k;
        bool first;  // sums begin at zero
        bool last;   // and are finished
    };

    // LOOP 2
    void multiply(const Task& k) const {
        TensorView<const T> x = io_.x;
        x.data =
            k.copy ? k.copy - k.pixels.begin[2] * input_.flat_step() : x.data + k.image * x.batch + k.group * s_.in_channels * x.channel;
        const std::int64_t blocks = t_.k.blocks();
        for (std::int64_t b = 0; b < blocks; ++b) {
            const KBlock block = t_.k.block(b);
            const Step step{block, b == 0, b == blocks - 1};
            Source<T> source;
            const int groups_listed = t_.flat && !pixel_lanes() ? list_flat(k, block, x, source) : list(k, block, x, source);
            if (pixel_lanes()) {
                tiles(k, groups_listed, step, [&](const TileGroup& g, Panels p) { pixel_tiles(k, g, p, source, step); });
            } else {
                tiles(k, groups_listed, step, [&](const TileGroup& g, Panels p) { channel_tiles(k, g, p, source, step); });
            }
        }
    }

    // All pixels of the block, with one tap.
    int list_flat(const Task& k, const KBlock& block, const TensorView<const T>& x, Source<T>& source) const {
        source = input_.of_flat(x, k.pixels, block, k.scratch.staged);
        const std::int64_t pixels = k.pixels.length(2);
        if (even_ && !one_list_) list_evenly(k.scratch.lists, pixels, input_.even_step());
        if (!even_) list_places(k.scratch.lists, s_, k.pixels.begin[2], pixels, x.spatial);
        const bool any = block.channels() > 0;
        if (any) *k.scratch.lists.segment = {0, 0, block.channels()};
        *k.scratch.lists.group = {0, pixels, 0, any ? 1 : 0};
        return 1;
    }

    int list(const Task& k, const KBlock& block, const TensorView<const T>& x, Source<T>& source) const {
        const PixelBoxes boxes = cut(k.pixels, block);
        source = input_.of_boxes(x, k.pixels, boxes, block, k.scratch.staged);
        return list_boxes(k.scratch.lists, t_, k.pixels, k.first_pixel, boxes, block, source.steps);
    }

    PixelBoxes cut(const Box& pixels, const KBlock& block) const {
        if (t_.flat || t_.k_length == 0) return uncut(pixels);
        const bool zeros = p_.border == Border::zeros && io_.finite_weights;
        return cut_by_taps(s_, pixels, block, {zeros, zeros, zeros && !pixel_lanes()}, {t_.mr, t_.waiting_rows});
    }

    // The panels of a task, with all that their tiles share. Returns how many they are.
    std::int64_t list_panels(const Task& k) const {
        Panel<T>* panel = k.scratch.panels;
        const std::int64_t items =
            pixel_lanes() ? k.pixels.length(0) * k.pixels.length(1) * ceil_div(k.pixels.length(2), t_.lanes) * t_.lanes : k.pixels.pixels();
        const std::int64_t first = t_.panels.begin(k.first_panel);
        for (std::int64_t i = k.first_panel; i < k.end_panel; ++i, ++panel) {
            const std::int64_t begin = t_.panels.begin(i);
            panel->length = t_.panels.length(i);
            panel->width = panel->length * t_.unit;
            panel->w = packing_ ? k.scratch.packed : io_.w + k.group * t_.packed_elements_of_group() + begin * t_.unit * t_.k_length;
            panel->sums = k.scratch.sums + (t_.k.blocks() > 1 ? (begin - first) * t_.unit * items : 0);
            panel->output = output_of(k, i);
        }
        return k.end_panel - k.first_panel;
    }

    // LOOPS 3 and 4
    template <class F>
    void tiles(const Task& k, int groups_listed, const Step& step, const F& of_group) const {
        const TileGroup *group = k.scratch.lists.group, *end = group + groups_listed;
        if (t_.panels_inside) {
            for (; group != end; ++group) of_group(*group, k.panels);
            return;
        }
        for (const Panel<T>& panel : k.panels) {
            if (packing_ &&
                !std::isfinite(packing_->pack_block(k.group, k.first_panel + (&panel - k.panels.begin()), step.k, k.scratch.packed))) {
                finite_weights_ = false;
            }
            for (const TileGroup* g = group; g != end; ++g) of_group(*g, Panels{&panel, &panel + 1});
            if (transposed() && step.last) kernels_.transpose_sums({panel.sums, panel.width, k.pixels.pixels(), panel.output});
        }
    }

    void channel_tiles(const Task& k, const TileGroup& group, Panels of, const Source<T>& source, const Step& step) const {
        GemmTile<T> tile = tile_of(k, group, source, step);
        const EvenSplit tiles = split_by(group.end - group.begin, t_.mr);
        tile.at = k.scratch.lists.at + group.begin;
        tile.index = k.scratch.lists.number + group.begin;
        const bool one_panel = of.last - of.first == 1;  // else a tile's pixels are used for all panels while they are near
        for (std::int64_t i = 0; i < tiles.parts; i += tile.tiles) {
            const std::int64_t pixels = tiles.length(i);
            tile.tiles = one_panel ? tiles.alike(i) : 1;
            for (const Panel<T>& panel : of) {
                set_panel(tile, panel, step);
                kernels_.channel_tile[panel.length - 1][pixels - 1](tile);
            }
            tile.at += tile.tiles * pixels;
            tile.index += tile.tiles * pixels;
        }
    }

    void pixel_tiles(const Task& k, const TileGroup& group, Panels of, const Source<T>& source, const Step& step) const {
        GemmTile<T> tile = tile_of(k, group, source, step);
        const TileLists& lists = k.scratch.lists;
        const EvenSplit tiles = split_by(group.end - group.begin, t_.nv);
        const bool one_panel = of.last - of.first == 1;
        std::int64_t item = group.begin;
        for (std::int64_t i = 0; i < tiles.parts; i += tile.tiles) {
            const std::int64_t vectors = tiles.length(i);
            tile.tiles = one_panel ? tiles.alike(i) : 1;
            tile.at = lists.at + item;
            tile.index = lists.number + item;
            tile.count = lists.count + item;
            tile.slot = lists.slot + item;
            for (const Panel<T>& panel : of) {
                set_panel(tile, panel, step);
                kernels_.pixel_tile[vectors - 1][panel.length - 1](tile);
            }
            item += tile.tiles * vectors;
        }
    }

    GemmTile<T> tile_of(const Task& k, const TileGroup& group, const Source<T>& source, const Step& step) const {
        GemmTile<T> tile{};
        tile.x = source.data;
        tile.k_stride = source.steps.k;
        tile.segment = k.scratch.lists.segment + group.first_segment;
        tile.segments = group.segments;
        tile.accumulate = !step.first;
        return tile;
    }

    void set_panel(GemmTile<T>& tile, const Panel<T>& panel, const Step& step) const {
        tile.w = packing_ ? panel.w : panel.w + step.k.begin * panel.width;
        tile.sums = panel.sums;
        tile.output = step.last && !transposed() ? &panel.output : nullptr;
    }

    Output<T> output_of(const Task& k, std::int64_t panel) const {
        const std::int64_t first = t_.panels.begin(panel) * t_.unit, pixels = k.pixels.pixels();
        const std::int64_t channels = std::min(t_.panels.length(panel) * t_.unit, s_.out_channels - first);
        const std::int64_t of_task = first - t_.panels.begin(k.first_panel) * t_.unit;
        Output<T> o = epilogue_.output(k.image, k.group * s_.out_channels + first, channels, k.first_pixel, pixels,
                                       k.scratch.residual + of_task * pixels);
        if (k.to) {
            o.y = k.to + of_task * (p_.layout == Layout::channels_first ? k.to_stride : 1);
            o.y_stride = k.to_stride;
        }
        return o;
    }

    const Problem& p_;
    const ConvShape& s_;
    const GemmTiling& t_;
    const OperandsOf<T>& io_;
    const Kernels<T>& kernels_;
    const GemmWorkspace& workspace_;
    const Epilogue<T> epilogue_;
    const GemmInput<T> input_;
    std::optional<GemmPacking<T>> packing_;  // of weights that are not packed yet
    mutable std::atomic<bool> finite_weights_{true};
    bool even_ = false, one_list_ = false;
};

template <class T>
class HeldGemm final : public GemmBlocks {
  public:
    // shared: other ones use the arrays between the tasks. first: the one that has them, if that is not this.
    HeldGemm(const GemmExecution& e, const Operands& io, const GemmWorkspace::Sizes& bytes, int threads, bool shared = false,
             const HeldGemm* first = nullptr)
        : execution_(e),
          operands_(typed<T>(io)),
          own_(bytes, first ? 0 : threads),
          run_(e, operands_, first ? first->own_ : own_, shared) {}

    void compute(const Block& block, int thread) const override {
        if (!execution_.tiling.flat) return run_.compute(block, thread);
        const auto& axis = execution_.problem.shape.axis;
        const auto& begin = block.pixels.begin;
        const std::int64_t first = (begin[0] * axis[1].output + begin[1]) * axis[2].output + begin[2];
        Block flat = block;
        flat.pixels = {{0, 0, first}, {1, 1, first + block.pixels.pixels()}};
        run_.compute(flat, thread);
    }

  private:
    const GemmExecution& execution_;
    const OperandsOf<T> operands_;
    const GemmWorkspace own_;
    const GemmRun<T> run_;
};

GemmWorkspace::Sizes sizes_of_phases(const std::vector<GemmExecution>& executions) {
    GemmWorkspace::Sizes most{};
    for (const GemmExecution& e : executions) {
        const GemmWorkspace::Sizes bytes = sizes(e.problem, e.tiling, false);
        for (std::size_t i = 0; i < most.size(); ++i) most[i] = std::max(most[i], bytes[i]);
    }
    most[residual_copy] = 0;
    return most;
}

}  // namespace

void convolve(const GemmExecution& e, const Operands& io, int threads) {
    count_kernel_run(e.kernels());
    run_gemm(e, io, threads);
}

std::int64_t workspace_bytes(const GemmExecution& e, double, int threads) {
    if (e.problem.shape.empty()) return 0;
    const std::int64_t slots = e.problem.free_batch ? threads : slots_of(e.tiling.tasks, e.threads(threads));
    return bytes_of_gemm_blocks(e) * slots;
}

bool run_gemm(const GemmExecution& e, const Operands& io, int threads) {
    return with_real(e.problem.dtype, [&](auto zero) {
        using T = decltype(zero);
        const int used = e.threads(threads);
        const GemmWorkspace workspace(sizes(e.problem, e.tiling, io.raw_weights != nullptr), slots_of(e.tiling.tasks, used));
        const OperandsOf<T> operands = typed<T>(io);
        const GemmRun<T> run(e, operands, workspace);
        parallel_for(e.tiling.tasks, used, [&](std::int64_t task, int thread) { run.task(task, thread); });
        return run.finite_weights();
    });
}

std::unique_ptr<const GemmBlocks> gemm_of_leftovers(const GemmExecution& e, const Operands& io, int threads) {
    return with_real(e.problem.dtype, [&](auto zero) -> std::unique_ptr<const GemmBlocks> {
        return std::make_unique<HeldGemm<decltype(zero)>>(e, io, sizes(e.problem, e.tiling, false), threads);
    });
}

std::unique_ptr<const GemmBlocks> gemm_of_made_input(const GemmExecution& e, Operands io, std::int64_t channel_step,
                                                     std::int64_t pixel_step, int threads) {
    const auto& axis = e.problem.shape.axis;
    const std::int64_t row = pixel_step * axis[2].output;
    io.x = {nullptr, 0, channel_step, {row * axis[1].output, row, pixel_step}};
    return gemm_of_leftovers(e, io, threads);
}

std::int64_t bytes_of_gemm_blocks(const GemmExecution& e) { return GemmWorkspace::bytes_per_thread(sizes(e.problem, e.tiling, false)); }

std::vector<std::unique_ptr<const GemmBlocks>> gemm_of_phases(const std::vector<GemmExecution>& executions,
                                                              const std::vector<Operands>& operands, int threads) {
    std::vector<std::unique_ptr<const GemmBlocks>> phases;
    if (executions.empty()) return phases;
    const GemmWorkspace::Sizes bytes = sizes_of_phases(executions);
    with_real(executions[0].problem.dtype, [&](auto zero) {
        const HeldGemm<decltype(zero)>* first = nullptr;
        for (std::size_t i = 0; i < executions.size(); ++i) {
            Operands io = operands[i];
            io.y = nullptr;
            io.residual = {};
            auto phase = std::make_unique<const HeldGemm<decltype(zero)>>(executions[i], io, bytes, threads, true, first);
            if (!first) first = phase.get();
            phases.push_back(std::move(phase));
        }
    });
    return phases;
}

std::int64_t bytes_of_gemm_phases(const std::vector<GemmExecution>& executions) {
    return GemmWorkspace::bytes_per_thread(sizes_of_phases(executions));
}

}  // namespace npconv
