// SPDX-License-Identifier: BSD-3-Clause
// A good place to start reading: tiling in plan/gemm_tiling.hpp, the microkernels in kernels/gemm.inl.
#include "algorithms/gemm.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "algorithms/epilogue.hpp"
#include "algorithms/gemm_packing.hpp"
#include "algorithms/held_run.hpp"
#include "algorithms/stage.hpp"
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

// Channels that stand a multiple of a large power of two apart share few sets of the second-level cache: where a block of k has more of
// them than half the ways of those sets hold, it is copied, not read in place.
bool alias(std::int64_t channel_bytes, std::int64_t channels) {
    constexpr std::int64_t way_bytes = 128 * 1024, ways = 8;
    const std::int64_t places = way_bytes / std::gcd(channel_bytes, way_bytes);
    return channel_bytes != 0 && channels > places * ways / 2;
}

// May a pixel's place, counted from x, pass the range of an integer? Only where a padding is astronomical: then a copy is read, not the
// input in place. (Without padding all places are in the input.)
bool places_overflow(const ConvShape& s, const std::array<std::int64_t, 3>& strides) {
    constexpr double most = 1e17;
    for (std::size_t i = 0; i < 3; ++i) {
        const Axis& a = s.axis[i];
        const double reach = static_cast<double>(a.pad_before) + static_cast<double>(a.output - 1) * static_cast<double>(a.stride) +
                             static_cast<double>(a.kernel - 1) * static_cast<double>(a.dilation);
        if (a.padded() && reach * std::abs(static_cast<double>(strides[i])) > most) return true;
    }
    return false;
}

template <class T>
class GemmRun {
  public:
    // shared: other runs use the same arrays between the tasks.
    GemmRun(const GemmExecution& e, const Operands<T>& io, const GemmWorkspace& workspace, bool shared = false)
        : p_(e.problem),
          s_(p_.shape),
          t_(e.tiling),
          io_(io),
          kernels_(kernels_of<T>(e.kernels())),
          workspace_(workspace),
          epilogue_(p_, io) {
        const Problem& p = p_;
        const GemmTiling& t = t_;
        const bool read_once = t.flat && pixel_lanes() && t.panels.parts == 1;
        aliasing_ = p.layout == Layout::channels_first && !read_once && !t.made_input &&
                    alias(io.x.channel * static_cast<std::int64_t>(sizeof(T)), t.k.channels.longest());
        places_overflow_ = places_overflow(s_, io.x.spatial);
        if (io.raw_weights) packing_.emplace(e, *io.raw_weights);
        flat_x_ = s_.flat_step(io.x.spatial);
        // The pixels of a flat map are evenly apart, if not in x then in a copy: one list serves all tasks.
        even_ = t.flat && !pixel_lanes() && (aliasing_ || flat_x_ != 0 || t.k_length == 0);
        one_list_ = even_ && !shared;
        if (one_list_) list_evenly(scratch(0).lists, t.most_pixels(), even_step());
    }

    // LOOP 1: tasks in the order image, group, chunk, block: neighbours share their weights.
    void task(std::int64_t index, int thread) const {
        const Box pixels = t_.block(index % t_.blocks_of_map());
        index /= t_.blocks_of_map();
        const std::int64_t chunk = index % t_.chunks.parts;
        index /= t_.chunks.parts;
        compute(pixels, index / s_.groups, index % s_.groups, t_.chunks.begin(chunk), t_.chunks.length(chunk), thread);
    }

    // A block of t_.map whose pixels are neighbours in y, no larger than the tiling's blocks, and no more panels than the tiling's chunks.
    // copy: its input, if that is not where the operands say. to: where its results go, if not to y.
    void compute(const Box& pixels, std::int64_t image, std::int64_t group, std::int64_t first_panel, std::int64_t of_panels, int thread,
                 const T* copy = nullptr, const BlockOf<T>& to = {}) const {
        Task k{};
        k.copy = copy;
        k.to = to;
        k.pixels = pixels;
        k.group = group;
        k.image = image;
        k.first_panel = first_panel;
        k.end_panel = first_panel + of_panels;
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
        const T* copy;
        BlockOf<T> to;
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
        x.data = k.copy ? k.copy - k.pixels.begin[2] * flat_x_ : x.data + k.image * x.batch + k.group * s_.in_channels * x.channel;
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
        source = aliasing_ ? stage(p_, kernels_, form_of(t_), x, k.pixels, block, k.scratch.staged) : place(k.pixels, block, x);
        const std::int64_t pixels = k.pixels.length(2);
        if (even_ && !one_list_) list_evenly(k.scratch.lists, pixels, even_step());
        if (!even_) list_places(k.scratch.lists, s_, k.pixels.begin[2], pixels, x.spatial);
        const bool any = block.channels() > 0;
        if (any) *k.scratch.lists.segment = {0, 0, block.channels()};
        *k.scratch.lists.group = {0, pixels, 0, any ? 1 : 0};
        return 1;
    }

    int list(const Task& k, const KBlock& block, const TensorView<const T>& x, Source<T>& source) const {
        const PixelBoxes boxes = cut(k.pixels, block);
        const bool in_place = t_.k_length == 0 || readable_in_place(k, x, boxes);
        source = in_place ? place(k.pixels, block, x) : stage(p_, kernels_, form_of(t_), x, k.pixels, block, k.scratch.staged);
        return list_boxes(k.scratch.lists, t_, k.pixels, k.first_pixel, boxes, block, source.steps);
    }

    PixelBoxes cut(const Box& pixels, const KBlock& block) const {
        if (t_.flat || t_.k_length == 0) return uncut(pixels);
        const bool zeros = p_.border == Border::zeros && io_.finite_weights;
        return cut_by_taps(s_, pixels, block, {zeros, zeros, zeros && !pixel_lanes()}, {t_.mr, t_.waiting_rows});
    }

    bool readable_in_place(const Task& k, const TensorView<const T>& x, const PixelBoxes& boxes) const {
        if (boxes.outside || aliasing_ || places_overflow_) return false;
        if (!pixel_lanes()) return x.channel == 1 || (!t_.always_copied && !narrow(boxes.runs[2]));
        const bool whole_vectors = t_.made_input || k.pixels.length(2) % t_.lanes == 0;
        return whole_vectors && (t_.flat ? flat_x_ == 1 : x.spatial[2] == 1 && s_.axis[2].stride == 1);
    }

    // Channels first, the pixels of a narrow box stand in rows, each on a line of memory of its own for each channel: where many pixels of
    // a row are in such boxes (1x7 kernels), the row is copied.
    static bool narrow(const AxisRuns& runs) {
        constexpr std::int64_t few = 4;
        if (runs.count == 1) return false;
        std::int64_t pixels = 0;
        for (std::size_t i = 0; i < static_cast<std::size_t>(runs.count); ++i) {
            const std::int64_t n = runs.begin[i + 1] - runs.begin[i];
            if (n < few) pixels += n;
        }
        return pixels * few > runs.begin[static_cast<std::size_t>(runs.count)] - runs.begin[0];
    }

    Source<T> place(const Box& pixels, const KBlock& block, const TensorView<const T>& x) const {
        Source<T> source;
        if (t_.k_length == 0) return source;  // nothing is read
        source.data = x.data + block.channel_begin * x.channel;
        source.steps.k = x.channel;
        if (t_.flat) {
            source.steps.pixel = {0, 0, flat_x_};
            source.data += pixels.begin[2] * flat_x_;
            return source;
        }
        for (std::size_t a = 0; a < 3; ++a) {
            const Axis& axis = s_.axis[a];
            source.data += axis.at(pixels.begin[a], block.tap_begin[a]) * x.spatial[a];
            source.steps.pixel[a] = axis.output > 1 ? axis.stride * x.spatial[a] : 0;  // of one pixel they may be any number
            source.steps.tap[a] = {1, 1, 0, axis.kernel > 1 ? axis.dilation * x.spatial[a] : 0};
        }
        return source;
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
        if (k.to.values) {
            o.y = k.to.values + of_task * (p_.layout == Layout::channels_first ? k.to.stride : 1);
            o.y_stride = k.to.stride;
        }
        return o;
    }

    std::int64_t even_step() const { return aliasing_ ? 1 : flat_x_; }

    const Problem& p_;
    const ConvShape& s_;
    const GemmTiling& t_;
    const Operands<T>& io_;
    const Kernels<T>& kernels_;
    const GemmWorkspace& workspace_;
    const Epilogue<T> epilogue_;
    std::optional<GemmPacking<T>> packing_;  // of weights that are not packed yet
    mutable std::atomic<bool> finite_weights_{true};
    bool aliasing_ = false, places_overflow_ = false, even_ = false, one_list_ = false;
    std::int64_t flat_x_ = 0;  // the step between pixels, where it is the same everywhere
};

}  // namespace

std::int64_t gemm_workspace_bytes(const GemmExecution& e, int threads) {
    if (e.problem.shape.empty()) return 0;
    const std::int64_t slots = e.problem.free_batch ? threads : slots_of(e.tiling.tasks, e.threads(threads));
    return GemmWorkspace::bytes_per_thread(sizes(e.problem, e.tiling, false)) * slots;
}

template <class T>
bool run_gemm(const GemmExecution& e, const Operands<T>& io, int threads) {
    const int used = e.threads(threads);
    const GemmWorkspace workspace(sizes(e.problem, e.tiling, io.raw_weights != nullptr), slots_of(e.tiling.tasks, used));
    const GemmRun<T> run(e, io, workspace);
    parallel_for(e.tiling.tasks, used, [&](std::int64_t task, int thread) { run.task(task, thread); });
    return run.finite_weights();
}

template <class T>
struct GemmPieces<T>::State : HeldRun<GemmRun<T>, T, GemmExecution, GemmWorkspace> {
    using HeldRun<GemmRun<T>, T, GemmExecution, GemmWorkspace>::HeldRun;
};

template <class T>
GemmPieces<T>::GemmPieces(const GemmExecution& e, const Operands<T>& io, int threads)
    : state_(std::make_unique<State>(e, io, sizes(e.problem, e.tiling, false), threads)) {}

template <class T>
GemmPieces<T>::~GemmPieces() = default;

template <class T>
void GemmPieces<T>::compute(const Box& pixels, std::int64_t image, std::int64_t group, std::int64_t panel, int thread) const {
    state_->run.compute(pixels, image, group, panel, 1, thread);
}

std::int64_t gemm_pieces_bytes(const GemmExecution& e) { return GemmWorkspace::bytes_per_thread(sizes(e.problem, e.tiling, false)); }

template <class T>
struct GemmBlocks<T>::State : HeldRun<GemmRun<T>, T, GemmExecution, GemmWorkspace> {
    using HeldRun<GemmRun<T>, T, GemmExecution, GemmWorkspace>::HeldRun;
};

template <class T>
GemmBlocks<T>::GemmBlocks(const GemmExecution& e, Operands<T> io, Steps of_input, int threads) {
    const ConvShape& s = e.problem.shape;
    io.x = {};
    io.x.channel = of_input.channel;
    io.x.spatial[2] = of_input.pixel;
    io.x.spatial[1] = io.x.spatial[2] * s.axis[2].output;
    io.x.spatial[0] = io.x.spatial[1] * s.axis[1].output;
    state_ = std::make_unique<State>(e, io, sizes(e.problem, e.tiling, false), threads);
}

template <class T>
GemmBlocks<T>::~GemmBlocks() = default;

template <class T>
void GemmBlocks<T>::compute(const T* x, std::int64_t first, std::int64_t pixels, std::int64_t image, int thread) const {
    const std::int64_t panels = state_->execution.tiling.panels.parts;
    state_->run.compute({{0, 0, first}, {1, 1, first + pixels}}, image, 0, 0, panels, thread, x);
}

std::int64_t gemm_blocks_bytes(const GemmExecution& e) { return gemm_pieces_bytes(e); }

namespace {

GemmWorkspace::Sizes sizes_of_parts(const std::vector<GemmExecution>& executions) {
    GemmWorkspace::Sizes most{};
    for (const GemmExecution& e : executions) {
        const GemmWorkspace::Sizes bytes = sizes(e.problem, e.tiling, false);
        for (std::size_t i = 0; i < most.size(); ++i) most[i] = std::max(most[i], bytes[i]);
    }
    most[residual_copy] = 0;
    return most;
}

}  // namespace

template <class T>
struct GemmParts<T>::State {
    struct Part {
        const GemmExecution& execution;
        Operands<T> operands;
        GemmRun<T> run;
        Part(const GemmExecution& e, const Operands<T>& io, const GemmWorkspace& workspace)
            : execution(e), operands(io), run(e, operands, workspace, true) {}
    };
    GemmWorkspace workspace;
    std::vector<std::unique_ptr<Part>> parts;
};

std::int64_t gemm_parts_bytes(const std::vector<GemmExecution>& executions) {
    return GemmWorkspace::bytes_per_thread(sizes_of_parts(executions));
}

template <class T>
GemmParts<T>::GemmParts(const std::vector<GemmExecution>& executions, std::vector<Operands<T>> operands, int threads)
    : state_(new State{GemmWorkspace(sizes_of_parts(executions), threads), {}}) {
    for (std::size_t i = 0; i < executions.size(); ++i) {
        operands[i].y = nullptr;
        operands[i].residual = {};
        state_->parts.push_back(std::make_unique<typename State::Part>(executions[i], operands[i], state_->workspace));
    }
}

template <class T>
GemmParts<T>::~GemmParts() = default;

template <class T>
void GemmParts<T>::compute(std::size_t part, const Box& pixels, std::int64_t image, std::int64_t group, std::int64_t first_panel,
                           std::int64_t panels, const BlockOf<T>& to, int thread) const {
    const auto& held = *state_->parts[part];
    const auto& axis = held.execution.problem.shape.axis;
    Box block = pixels;
    if (held.execution.tiling.flat) {
        const std::int64_t first = (pixels.begin[0] * axis[1].output + pixels.begin[1]) * axis[2].output + pixels.begin[2];
        block = {{0, 0, first}, {1, 1, first + pixels.pixels()}};
    }
    held.run.compute(block, image, group, first_panel, panels, thread, nullptr, to);
}

template class GemmParts<float>;
template class GemmParts<double>;
template class GemmBlocks<float>;
template class GemmBlocks<double>;
template class GemmPieces<float>;
template class GemmPieces<double>;
template bool run_gemm(const GemmExecution&, const Operands<float>&, int);
template bool run_gemm(const GemmExecution&, const Operands<double>&, int);

}  // namespace npconv
