// SPDX-License-Identifier: BSD-3-Clause
// A good place to start reading: tiling in plan/gemm_tiling.hpp, the microkernels in kernels/gemm.inl.
#include "algorithms/gemm.hpp"

#include <algorithm>
#include <array>
#include <numeric>

#include "algorithms/stage.hpp"
#include "core/parallel.hpp"
#include "core/workspace.hpp"
#include "kernels/registry.hpp"
#include "plan/gemm_tiling.hpp"

namespace npconv {
namespace {

enum Slot : std::size_t { sums, staged, at, number, count, slot, panels, groups, segments, residual_copy, slots };
using GemmWorkspace = Workspace<slots>;

// Pixels, or vectors of pixels, that sum over the same taps.
struct Group {
    std::int64_t begin, end;
    std::int64_t first_segment, segments;
};

template <class T>
struct Panel {
    std::int64_t length;  // vectors, or channels
    std::int64_t width;   // channels of a row of packed weights
    const T* w;
    T* sums;
    Output<T> output;
};

// Threads that can have a task at the same time, and so need a workspace.
int slots_of(const GemmTiling& t, int threads) { return static_cast<int>(std::clamp<std::int64_t>(t.tasks, 1, threads)); }

// Do sums leave the registers before they are finished: for the next block of k, or to be transposed?
bool sums_are_kept(const Problem& p, const GemmTiling& t) {
    return t.k.blocks() > 1 || (t.lane == Lane::channel && p.layout == Layout::channels_first);
}

// With lane = channel and channels last a pixel's channels are neighbours already: there, only a border makes a copy necessary.
bool may_stage(const Problem& p, const GemmTiling& t) {
    if (t.k_length == 0) return false;
    if (t.lane == Lane::pixel || p.layout == Layout::channels_first) return true;
    return std::any_of(p.shape.axis.begin(), p.shape.axis.end(), [](const Axis& a) { return a.padded(); });
}

GemmWorkspace::Sizes sizes(const Problem& p, const GemmTiling& t) {
    const std::int64_t element = size_of(p.dtype), index = sizeof(std::int64_t);
    const bool pixel_lanes = t.lane == Lane::pixel;
    const std::int64_t items = pixel_lanes ? t.most_vectors_of_pixels() : t.most_pixels();
    const std::int64_t most_taps = t.k.most_taps();
    GemmWorkspace::Sizes bytes{};
    bytes[sums] = sums_are_kept(p, t) ? items * (pixel_lanes ? t.lanes : 1) * t.most_channels_of_chunk() * element : 0;
    bytes[staged] = may_stage(p, t) ? staged_elements(p.shape, t, p.layout) * element : 0;
    bytes[at] = bytes[number] = items * index;
    bytes[count] = bytes[slot] = pixel_lanes ? items * index : 0;
    bytes[panels] = t.chunks.longest() * static_cast<std::int64_t>(sizeof(Panel<double>));
    bytes[groups] = PixelBoxes::most * static_cast<std::int64_t>(sizeof(Group));
    bytes[segments] =
        std::max(most_taps, std::min(PixelBoxes::most_segments, PixelBoxes::most * most_taps)) * static_cast<std::int64_t>(sizeof(Segment));
    bytes[residual_copy] = t.most_pixels() * t.most_channels_of_chunk() * element;
    return bytes;
}

// Channels that stand a multiple of a large power of two apart share few sets of the second-level cache: where a block of k has more of
// them than half the ways of those sets hold, it is copied, not read in place.
bool alias(std::int64_t channel_bytes, std::int64_t channels) {
    constexpr std::int64_t way_bytes = 128 * 1024, ways = 8;
    const std::int64_t places = way_bytes / std::gcd(channel_bytes, way_bytes);
    return channel_bytes != 0 && channels > places * ways / 2;
}

template <class T>
class GemmRun {
  public:
    GemmRun(const Problem& p, const GemmTiling& t, const Operands<T>& io, const GemmWorkspace& workspace)
        : p_(p), s_(p.shape), t_(t), io_(io), kernels_(kernels_of<T>(*p.kernels)), workspace_(workspace) {
        aliasing_ =
            p.layout == Layout::channels_first && alias(io.x.channel * static_cast<std::int64_t>(sizeof(T)), t.k.channels.longest());
        flat_x_ = s_.flat_step(io.x.spatial);
        flat_residual_ = io.residual.data ? s_.flat_step(io.residual.spatial) : 0;
    }

    // LOOP 1: tasks in the order image, group, chunk, block: neighbours share their weights.
    void task(std::int64_t index, int thread) const {
        Task k{};
        k.pixels = t_.block(index % t_.blocks_of_map());
        index /= t_.blocks_of_map();
        const std::int64_t chunk = index % t_.chunks.parts;
        index /= t_.chunks.parts;
        k.group = index % s_.groups;
        k.image = index / s_.groups;
        k.first_panel = t_.chunks.begin(chunk);
        k.end_panel = k.first_panel + t_.chunks.length(chunk);
        k.first_pixel = (k.pixels.begin[0] * t_.map[1] + k.pixels.begin[1]) * t_.map[2] + k.pixels.begin[2];
        k.thread = thread;
        const Panel<T>* panel = list_panels(k);
        multiply(k, panel);
        if (!transposed()) return;
        for (const Panel<T>* end = panel + (k.end_panel - k.first_panel); panel != end; ++panel) {
            kernels_.transpose_sums({panel->sums, panel->width, k.pixels.pixels(), panel->output});
        }
    }

  private:
    struct Task {
        Box pixels;                // of t_.map; neighbours in y
        std::int64_t first_pixel;  // its number in y
        std::int64_t first_panel, end_panel;
        std::int64_t group, image;
        int thread;
    };

    template <class U>
    U* get(const Task& k, Slot slot) const {
        return workspace_.template get<U>(k.thread, slot);
    }

    bool pixel_lanes() const { return t_.lane == Lane::pixel; }
    bool transposed() const { return !pixel_lanes() && p_.layout == Layout::channels_first; }

    // LOOP 2
    void multiply(const Task& k, const Panel<T>* panel) const {
        TensorView<const T> x = io_.x;
        x.data += k.image * x.batch + k.group * s_.in_channels * x.channel;
        const std::int64_t blocks = t_.k.blocks();
        for (std::int64_t b = 0; b < blocks; ++b) {
            const KBlock block = t_.k.block(b);
            const PixelBoxes boxes = cut(k.pixels, block);
            const bool in_place = t_.k_length == 0 || readable_in_place(k.pixels, x, boxes);
            const Source<T> source = in_place ? place(k.pixels, block, x) : stage(p_, t_, x, k.pixels, block, get<T>(k, staged));
            const std::int64_t parts = list(k, boxes, block, source, in_place);
            const Step step{block.begin, b == 0, b == blocks - 1 && !transposed()};
            if (pixel_lanes()) {
                pixel_tiles(k, panel, source, parts, step);
            } else {
                channel_tiles(k, panel, source, parts, step);
            }
        }
    }

    struct Step {
        std::int64_t k_begin;
        bool first;   // sums begin at zero
        bool finish;  // and go to the output
    };

    PixelBoxes cut(const Box& pixels, const KBlock& block) const {
        if (t_.flat || t_.k_length == 0) return uncut(pixels);
        const bool zeros = p_.border == Border::zeros && io_.finite_weights;
        return cut_by_taps(s_, pixels, block, {zeros, zeros, zeros && !pixel_lanes()}, t_.mr);
    }

    bool readable_in_place(const Box& pixels, const TensorView<const T>& x, const PixelBoxes& boxes) const {
        if (boxes.outside || aliasing_) return false;
        if (!pixel_lanes()) return true;
        const bool whole_vectors = pixels.length(2) % t_.lanes == 0;
        return whole_vectors && (t_.flat ? flat_x_ == 1 : x.spatial[2] * s_.axis[2].stride == 1);
    }

    Source<T> place(const Box& pixels, const KBlock& block, const TensorView<const T>& x) const {
        Source<T> source;
        if (t_.k_length == 0) return source;  // nothing is read
        source.data = x.data + block.channel_begin * x.channel;
        source.k_stride = x.channel;
        if (t_.flat) {
            source.pixel_step = {0, 0, flat_x_};
            if (flat_x_ != 0) source.data += pixels.begin[2] * flat_x_;
            return source;
        }
        for (std::size_t a = 0; a < 3; ++a) {
            source.data += s_.axis[a].at(pixels.begin[a], block.tap_begin[a]) * x.spatial[a];
            source.pixel_step[a] = s_.axis[a].stride * x.spatial[a];
            source.tap[a] = {1, 1, 0, s_.axis[a].dilation * x.spatial[a]};
        }
        return source;
    }

    // Lists the pixels, or their vectors, box by box, and the segments of each box. Returns the number of boxes.
    std::int64_t list(const Task& k, const PixelBoxes& boxes, const KBlock& block, const Source<T>& source, bool in_place) const {
        Group* group = get<Group>(k, groups);
        std::int64_t items = 0, segments_listed = 0;
        for (int i = 0; i < boxes.count(); ++i) {
            const PixelBox box = boxes.box(i);
            group[i].begin = items;
            items = list_pixels(k, box.pixels, source, in_place, items);
            group[i].end = items;
            group[i].first_segment = segments_listed;
            segments_listed = list_segments(box, block, source, get<Segment>(k, segments), segments_listed);
            group[i].segments = segments_listed - group[i].first_segment;
        }
        return boxes.count();
    }

    std::int64_t list_pixels(const Task& k, const Box& box, const Source<T>& source, bool in_place, std::int64_t item) const {
        std::int64_t* offsets = get<std::int64_t>(k, at);
        std::int64_t* numbers = get<std::int64_t>(k, number);
        const std::int64_t step = pixel_lanes() ? t_.lanes : 1;
        const std::int64_t items = ceil_div(box.length(2), step);  // of a row
        const std::int64_t first = box.begin[2] - k.pixels.begin[2];
        for (std::int64_t d = box.begin[0]; d < box.end[0]; ++d) {
            for (std::int64_t h = box.begin[1]; h < box.end[1]; ++h) {
                const std::int64_t row = (d - k.pixels.begin[0]) * k.pixels.length(1) + h - k.pixels.begin[1];
                const std::int64_t offset = (d - k.pixels.begin[0]) * source.pixel_step[0] +
                                            (h - k.pixels.begin[1]) * source.pixel_step[1] + first * source.pixel_step[2];
                const std::int64_t in_y = (d * t_.map[1] + h) * t_.map[2] + box.begin[2] - k.first_pixel;
                for (std::int64_t i = 0; i < items; ++i) offsets[item + i] = offset + i * step * source.pixel_step[2];
                for (std::int64_t i = 0; i < items; ++i) numbers[item + i] = in_y + i * step;
                if (pixel_lanes()) list_vectors(k, row, first, box.length(2), item);
                item += items;
            }
        }
        if (t_.flat && in_place && flat_x_ == 0 && t_.k_length > 0) {  // pixels of a map that is dense in y, but not in x
            for (std::int64_t i = 0; i < box.pixels(); ++i) {
                const auto o = s_.coordinates(box.begin[2] + i);
                offsets[i] = o[0] * io_.x.spatial[0] + o[1] * io_.x.spatial[1] + o[2] * io_.x.spatial[2];
            }
        }
        return item;
    }

    // lane = pixel: how many pixels each vector of a row has, and where its sums are kept.
    void list_vectors(const Task& k, std::int64_t row, std::int64_t first, std::int64_t pixels, std::int64_t item) const {
        std::int64_t* counts = get<std::int64_t>(k, count) + item;
        std::int64_t* slots_of_row = get<std::int64_t>(k, slot) + item;
        const std::int64_t vectors = ceil_div(k.pixels.length(2), t_.lanes);
        for (std::int64_t i = 0; i * t_.lanes < pixels; ++i) {
            counts[i] = std::min<std::int64_t>(t_.lanes, pixels - i * t_.lanes);
            slots_of_row[i] = row * vectors + first / t_.lanes + i;
        }
    }

    std::int64_t list_segments(const PixelBox& box, const KBlock& block, const Source<T>& source, Segment* segment, std::int64_t n) const {
        const std::int64_t channels = block.channels();
        if (channels == 0) return n;
        const std::int64_t first = n;
        for (std::int64_t d = box.tap_begin[0]; d < box.tap_end[0]; ++d) {
            for (std::int64_t h = box.tap_begin[1]; h < box.tap_end[1]; ++h) {
                const std::int64_t row = source.tap[0].offset(d - block.tap_begin[0]) + source.tap[1].offset(h - block.tap_begin[1]);
                std::int64_t k = block.k_of(d, h, box.tap_begin[2]);
                for (std::int64_t w = box.tap_begin[2]; w < box.tap_end[2]; ++w, k += channels) {
                    const std::int64_t offset = row + source.tap[2].offset(w - block.tap_begin[2]);
                    // Neighbours in memory, too: channels last.
                    const bool joined = n > first && offset == segment[n - 1].offset + segment[n - 1].length * source.k_stride &&
                                        k == segment[n - 1].k + segment[n - 1].length;
                    if (joined) {
                        segment[n - 1].length += channels;
                    } else {
                        segment[n++] = {offset, k, channels};
                    }
                }
            }
        }
        return n;
    }

    // The panels of a task, with all that their tiles share.
    const Panel<T>* list_panels(const Task& k) const {
        Panel<T>* panel = get<Panel<T>>(k, panels);
        const std::int64_t items =
            pixel_lanes() ? k.pixels.length(0) * k.pixels.length(1) * ceil_div(k.pixels.length(2), t_.lanes) * t_.lanes : k.pixels.pixels();
        const std::int64_t first = t_.panels.begin(k.first_panel);
        for (std::int64_t i = k.first_panel; i < k.end_panel; ++i, ++panel) {
            const std::int64_t begin = t_.panels.begin(i);
            panel->length = t_.panels.length(i);
            panel->width = panel->length * t_.unit;
            panel->w = io_.w + k.group * t_.packed_elements_of_group() + begin * t_.unit * t_.k_length;
            panel->sums = get<T>(k, sums) + (begin - first) * t_.unit * items;
            panel->output = output_of(k, i);
        }
        return get<Panel<T>>(k, panels);
    }

    // LOOPS 3 and 4, lane = channel. Where the weights of the chunk are few, they stay in L1 and the output is written row by row.
    void channel_tiles(const Task& k, const Panel<T>* first_panel, const Source<T>& source, std::int64_t parts, const Step& step) const {
        const Panel<T>* end = first_panel + (k.end_panel - k.first_panel);
        const bool panels_inside = t_.panels_inside;
        for (const Panel<T>* panel = first_panel; panel != end; panel = panels_inside ? end : panel + 1) {
            const Panel<T>* last = panels_inside ? end : panel + 1;
            for (std::int64_t g = 0; g < parts; ++g) channel_group(k, get<Group>(k, groups)[g], panel, last, source, step);
        }
    }

    void channel_group(const Task& k, const Group& group, const Panel<T>* first_panel, const Panel<T>* end, const Source<T>& source,
                       const Step& step) const {
        GemmTile<T> tile = tile_of(source, step);
        tile.segment = get<Segment>(k, segments) + group.first_segment;
        tile.segments = group.segments;
        const EvenSplit tiles = split_by(group.end - group.begin, t_.mr);
        tile.at = get<std::int64_t>(k, at) + group.begin;
        tile.index = get<std::int64_t>(k, number) + group.begin;
        for (std::int64_t i = 0; i < tiles.parts; ++i) {
            const std::int64_t pixels = tiles.length(i);
            for (const Panel<T>* panel = first_panel; panel != end; ++panel) {
                tile.w = panel->w + step.k_begin * panel->width;
                tile.sums = panel->sums;
                tile.output = step.finish ? &panel->output : nullptr;
                kernels_.channel_tile[panel->length - 1][pixels - 1](tile);
            }
            tile.at += pixels;
            tile.index += pixels;
        }
    }

    // LOOPS 3 and 4, lane = pixel
    void pixel_tiles(const Task& k, const Panel<T>* panel, const Source<T>& source, std::int64_t parts, const Step& step) const {
        GemmTile<T> tile = tile_of(source, step);
        for (const Panel<T>* end = panel + (k.end_panel - k.first_panel); panel != end; ++panel) {
            tile.w = panel->w + step.k_begin * panel->width;
            tile.sums = panel->sums;
            tile.output = step.finish ? &panel->output : nullptr;
            for (std::int64_t g = 0; g < parts; ++g) {
                const Group& group = get<Group>(k, groups)[g];
                tile.segment = get<Segment>(k, segments) + group.first_segment;
                tile.segments = group.segments;
                const EvenSplit tiles = split_by(group.end - group.begin, t_.nv);
                std::int64_t item = group.begin;
                for (std::int64_t i = 0; i < tiles.parts; ++i) {
                    const std::int64_t vectors = tiles.length(i);
                    tile.at = get<std::int64_t>(k, at) + item;
                    tile.index = get<std::int64_t>(k, number) + item;
                    tile.count = get<std::int64_t>(k, count) + item;
                    tile.slot = get<std::int64_t>(k, slot) + item;
                    kernels_.pixel_tile[vectors - 1][panel->length - 1](tile);
                    item += vectors;
                }
            }
        }
    }

    GemmTile<T> tile_of(const Source<T>& source, const Step& step) const {
        GemmTile<T> tile{};
        tile.x = source.data;
        tile.k_stride = source.k_stride;
        tile.accumulate = !step.first;
        return tile;
    }

    Output<T> output_of(const Task& k, std::int64_t panel) const {
        const bool last = p_.layout == Layout::channels_last;
        const std::int64_t all_channels = s_.groups * s_.out_channels, pixels = s_.pixels();
        const std::int64_t first = t_.panels.begin(panel) * t_.unit;
        const std::int64_t channel = k.group * s_.out_channels + first;
        Output<T> o{};
        o.y = io_.y + k.image * io_.y_batch + (last ? k.first_pixel * all_channels + channel : channel * pixels + k.first_pixel);
        o.y_stride = last ? all_channels : pixels;
        o.channels = std::min(t_.panels.length(panel) * t_.unit, s_.out_channels - first);
        o.bias = io_.bias ? io_.bias + channel : nullptr;
        if (io_.residual.data) find_residual(k, panel, channel, o);
        o.activation = p_.activation.kind;
        o.a = static_cast<T>(p_.activation.a);
        o.b = static_cast<T>(p_.activation.b);
        return o;
    }

    // The residual of a panel: where it stands, or as a dense copy in the order of the output where its strides are unusual.
    void find_residual(const Task& k, std::int64_t panel, std::int64_t channel, Output<T>& o) const {
        const bool last = p_.layout == Layout::channels_last;
        const TensorView<const T>& r = io_.residual;
        const T* base = r.data + k.image * r.batch + channel * r.channel;
        if (last ? r.channel == 1 && flat_residual_ != 0 : flat_residual_ == 1) {
            o.residual = base + k.first_pixel * flat_residual_;
            o.residual_stride = last ? flat_residual_ : r.channel;
            return;
        }
        const std::int64_t pixels = k.pixels.pixels();
        T* copy = get<T>(k, residual_copy) + (t_.panels.begin(panel) - t_.panels.begin(k.first_panel)) * t_.unit * pixels;
        const std::int64_t pixel_stride = last ? o.channels : 1, channel_stride = last ? 1 : pixels;
        for (std::int64_t i = 0; i < pixels; ++i) {
            const auto c = s_.coordinates(k.first_pixel + i);
            const T* from = base + c[0] * r.spatial[0] + c[1] * r.spatial[1] + c[2] * r.spatial[2];
            for (std::int64_t j = 0; j < o.channels; ++j) copy[i * pixel_stride + j * channel_stride] = from[j * r.channel];
        }
        o.residual = copy;
        o.residual_stride = last ? o.channels : pixels;
    }

    const Problem& p_;
    const ConvShape& s_;
    const GemmTiling& t_;
    const Operands<T>& io_;
    const Kernels<T>& kernels_;
    const GemmWorkspace& workspace_;
    bool aliasing_ = false;
    std::int64_t flat_x_ = 0, flat_residual_ = 0;  // steps between pixels, where they are all the same
};

}  // namespace

std::int64_t gemm_workspace_bytes(const Problem& p, int threads) {
    if (p.shape.empty()) return 0;
    if (p.free_batch) return GemmWorkspace::bytes_per_thread(sizes(p, tile_gemm_for_many_images(p))) * threads;
    const GemmTiling t = tile_gemm(p);
    return GemmWorkspace::bytes_per_thread(sizes(p, t)) * slots_of(t, worthwhile_threads(p, threads));
}

template <class T>
void run_gemm(const Problem& p, const Operands<T>& io, int threads) {
    const GemmTiling t = tile_gemm(p);
    const int used = worthwhile_threads(p, threads);
    const GemmWorkspace workspace(sizes(p, t), slots_of(t, used));
    const GemmRun<T> run(p, t, io, workspace);
    parallel_for(t.tasks, used, [&](std::int64_t task, int thread) { run.task(task, thread); });
}

template void run_gemm(const Problem&, const Operands<float>&, int);
template void run_gemm(const Problem&, const Operands<double>&, int);

}  // namespace npconv
