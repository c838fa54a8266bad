// SPDX-License-Identifier: BSD-3-Clause
// A good place to start reading: tiling in plan/gemm_tiling.hpp, the microkernel in kernels/gemm.inl.
#include "algorithms/gemm.hpp"

#include <algorithm>
#include <array>

#include "algorithms/gather.hpp"
#include "core/parallel.hpp"
#include "core/workspace.hpp"
#include "kernels/registry.hpp"
#include "plan/gemm_tiling.hpp"

namespace npconv {
namespace {

enum Slot : std::size_t { accumulators, panel, pixel_offsets, segments, residual_copy, slots };
using GemmWorkspace = Workspace<slots>;

// Threads that can have a task at the same time, and so need a workspace.
int slots_of(const GemmTiling& t, int threads) { return static_cast<int>(std::clamp<std::int64_t>(t.tasks, 1, threads)); }

GemmWorkspace::Sizes sizes(const Problem& p, const GemmTiling& t) {
    const std::int64_t element = size_of(p.dtype);
    const std::int64_t pixels = t.most_pixels();
    GemmWorkspace::Sizes bytes{};
    bytes[accumulators] = pixels * t.most_vectors_of_chunk() * t.lanes * element;
    // Channels first: [k][row stride]. Channels last: [pixel][k + 1].
    bytes[panel] = std::max(t.k_blocks.longest() * t.panel_row_stride(), pixels * (t.k_blocks.longest() + 1)) * element;
    bytes[pixel_offsets] = pixels * static_cast<std::int64_t>(sizeof(std::int64_t));
    bytes[segments] = std::max<std::int64_t>(t.k_blocks.longest(), 1) * static_cast<std::int64_t>(sizeof(Segment));
    bytes[residual_copy] = pixels * t.panels.longest() * t.lanes * element;
    return bytes;
}

// Rows of x that stand a multiple of 1 KB apart fall into few sets of a first-level cache of 64 sets: they are copied, not read in place.
constexpr std::int64_t aliasing_bytes = 1024;

// The step between successive pixels of an output-shaped tensor if it is the same everywhere, else 0. Strides of unit axes mean nothing.
std::int64_t flat_pixel_stride(const ConvShape& s, const std::array<std::int64_t, 3>& strides) {
    std::int64_t step = 1, expected = 0;
    bool found = false;  // not told by step: a repeated residual has strides of 0
    for (std::size_t a = 3; a-- > 0;) {
        const std::int64_t n = s.axis[a].output;
        if (n == 1) continue;
        if (!found) step = expected = strides[a];
        found = true;
        if (strides[a] != expected) return 0;
        expected *= n;
    }
    return step;
}

template <class T>
class GemmRun {
  public:
    GemmRun(const Problem& p, const GemmTiling& t, const Operands<T>& io, const GemmWorkspace& workspace)
        : p_(p), s_(p.shape), t_(t), io_(io), kernels_(kernels_of<T>(*p.kernels)), workspace_(workspace) {
        const bool long_rows = s_.in_channels > 8;
        readable_in_place_ = !(long_rows && (io.x.channel * static_cast<std::int64_t>(sizeof(T))) % aliasing_bytes == 0);
    }

    // LOOP 1: tasks in the order image, group, chunk, block: neighbours share their weights.
    void task(std::int64_t index, int thread) const {
        const std::int64_t block = index % t_.pixel_blocks.parts;
        index /= t_.pixel_blocks.parts;
        const std::int64_t chunk = index % t_.chunks.parts;
        index /= t_.chunks.parts;
        const std::int64_t group = index % s_.groups, image = index / s_.groups;

        Task k{};
        k.begin = t_.block_begin(block);
        k.end = t_.block_end(block);
        k.first_panel = t_.chunks.begin(chunk);
        k.end_panel = k.first_panel + t_.chunks.length(chunk);
        k.group = group;
        k.image = image;
        k.thread = thread;
        multiply(k);
        finish(k);
    }

  private:
    struct Task {
        std::int64_t begin, end;  // pixels
        std::int64_t first_panel, end_panel;
        std::int64_t group, image;
        int thread;
    };

    // One k block of the left operand, in the input or in the gathered panel.
    struct Source {
        const T* data;
        std::int64_t segments;
        std::int64_t k_stride;
    };

    template <class U>
    U* get(const Task& k, Slot slot) const {
        return workspace_.template get<U>(k.thread, slot);
    }

    T* accumulators_of(const Task& k, std::int64_t panel_index) const {
        return get<T>(k, accumulators) + (t_.panels.begin(panel_index) - t_.panels.begin(k.first_panel)) * t_.lanes * (k.end - k.begin);
    }

    // LOOPS 2 to 4
    void multiply(const Task& k) const {
        TensorView<const T> x = io_.x;
        x.data += k.image * x.batch + k.group * s_.in_channels * x.channel;
        const bool in_place = readable_in_place_ && inside(s_, k.begin, k.end);
        std::int64_t* offsets = get<std::int64_t>(k, pixel_offsets);
        if (in_place) {
            offsets_in_place(k, x, offsets);
        } else {
            const std::int64_t step = layout_of_panel().pixel_stride;
            for (std::int64_t i = 0; i < k.end - k.begin; ++i) offsets[i] = i * step;
        }
        for (std::int64_t b = 0; b < t_.k_blocks.parts; ++b) {
            const std::int64_t k_begin = t_.k_blocks.begin(b), k_end = k_begin + t_.k_blocks.length(b);
            const Source source = in_place ? read_in_place(k, x, k_begin, k_end) : gathered(k, x, k_begin, k_end);
            for (std::int64_t panel_index = k.first_panel; panel_index < k.end_panel; ++panel_index) {
                multiply_panel(k, source, panel_index, k_begin);
            }
        }
    }

    void offsets_in_place(const Task& k, const TensorView<const T>& x, std::int64_t* offsets) const {
        const Axis* a = s_.axis.data();
        auto o = coordinates(s_, k.begin);
        for (std::int64_t i = 0; i < k.end - k.begin; ++i) {
            offsets[i] = a[0].at(o[0], 0) * x.spatial[0] + a[1].at(o[1], 0) * x.spatial[1] + a[2].at(o[2], 0) * x.spatial[2];
            if (++o[2] < a[2].output) continue;
            o[2] = 0;
            if (++o[1] < a[1].output) continue;
            o[1] = 0;
            ++o[0];
        }
    }

    Source read_in_place(const Task& k, const TensorView<const T>& x, std::int64_t k_begin, std::int64_t k_end) const {
        Segment* segment = get<Segment>(k, segments);
        std::int64_t count = 0;
        for_each_k_run(s_, k_begin, k_end, [&](const KRun& run) {
            const auto tap = tap_coordinates(s_, run.tap);
            std::int64_t offset = run.first * x.channel;
            for (std::size_t a = 0; a < 3; ++a) offset += tap[a] * s_.axis[a].dilation * x.spatial[a];
            segment[count++] = {offset, run.count};
        });
        return {x.data, count, x.channel};
    }

    // Channels last keeps a pixel's channels together, channels first a channel's pixels: as they are copied.
    PanelLayout layout_of_panel() const {
        if (p_.layout == Layout::channels_last) return {t_.k_blocks.longest() + 1, 1};
        return {1, t_.panel_row_stride()};
    }

    Source gathered(const Task& k, const TensorView<const T>& x, std::int64_t k_begin, std::int64_t k_end) const {
        T* data = get<T>(k, panel);
        const PanelLayout layout = layout_of_panel();
        gather(s_, p_.border, x, k.begin, k.end, k_begin, k_end, layout, data);
        *get<Segment>(k, segments) = {0, k_end - k_begin};
        return {data, 1, layout.k_stride};
    }

    void multiply_panel(const Task& k, const Source& source, std::int64_t panel_index, std::int64_t k_begin) const {
        const std::int64_t width = t_.panels.length(panel_index) * t_.lanes;
        const T* w = io_.w + k.group * t_.packed_elements_of_group() + t_.panels.begin(panel_index) * t_.lanes * t_.k + k_begin * width;
        GemmTile<T> tile{};
        tile.x = source.data;
        tile.segment = get<Segment>(k, segments);
        tile.segments = source.segments;
        tile.k_stride = source.k_stride;
        tile.w = w;
        tile.accumulate = k_begin > 0;
        const EvenSplit tiles = split_by(k.end - k.begin, t_.mr);
        tile.pixel = get<std::int64_t>(k, pixel_offsets);
        tile.acc = accumulators_of(k, panel_index);
        for (std::int64_t i = 0; i < tiles.parts; ++i) {
            const std::int64_t m = tiles.length(i);
            kernels_.gemm[m - 1][t_.panels.length(panel_index) - 1](tile);
            tile.pixel += m;
            tile.acc += m * width;
        }
    }

    void finish(const Task& k) const {
        const bool last = p_.layout == Layout::channels_last;
        const std::int64_t all_channels = s_.groups * s_.out_channels;
        for (std::int64_t panel_index = k.first_panel; panel_index < k.end_panel; ++panel_index) {
            const std::int64_t first = t_.panels.begin(panel_index) * t_.lanes;
            const std::int64_t channel = k.group * s_.out_channels + first;
            FinishPanel<T> f{};
            f.acc = accumulators_of(k, panel_index);
            f.acc_stride = t_.panels.length(panel_index) * t_.lanes;
            f.pixels = k.end - k.begin;
            f.channels = std::min(f.acc_stride, s_.out_channels - first);
            f.y = io_.y + k.image * io_.y_batch + (last ? k.begin * all_channels + channel : channel * t_.pixels + k.begin);
            f.y_stride = last ? all_channels : t_.pixels;
            f.bias = io_.bias ? io_.bias + channel : nullptr;
            if (io_.residual.data) find_residual(k, channel, f);
            f.activation = p_.activation.kind;
            f.a = static_cast<T>(p_.activation.a);
            f.b = static_cast<T>(p_.activation.b);
            (last ? kernels_.finish_channels_last : kernels_.finish_channels_first)(f);
        }
    }

    // The residual of a panel: where it stands, or as a dense copy in the order of the output where its strides are unusual.
    void find_residual(const Task& k, std::int64_t channel, FinishPanel<T>& f) const {
        const bool last = p_.layout == Layout::channels_last;
        const TensorView<const T>& r = io_.residual;
        const T* base = r.data + k.image * r.batch + channel * r.channel;
        if (const std::int64_t pixel_step = flat_pixel_stride(s_, r.spatial); last ? r.channel == 1 && pixel_step != 0 : pixel_step == 1) {
            f.residual = base + k.begin * pixel_step;
            f.residual_stride = last ? pixel_step : r.channel;
            return;
        }
        T* copy = get<T>(k, residual_copy);
        const std::int64_t pixel_stride = last ? f.channels : 1, channel_stride = last ? 1 : f.pixels;
        for (std::int64_t i = 0; i < f.pixels; ++i) {
            const auto o = coordinates(s_, k.begin + i);
            const T* from = base + o[0] * r.spatial[0] + o[1] * r.spatial[1] + o[2] * r.spatial[2];
            for (std::int64_t c = 0; c < f.channels; ++c) copy[i * pixel_stride + c * channel_stride] = from[c * r.channel];
        }
        f.residual = copy;
        f.residual_stride = last ? f.channels : f.pixels;
    }

    const Problem& p_;
    const ConvShape& s_;
    const GemmTiling& t_;
    const Operands<T>& io_;
    const Kernels<T>& kernels_;
    const GemmWorkspace& workspace_;
    bool readable_in_place_ = true;
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
