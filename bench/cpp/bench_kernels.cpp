// SPDX-License-Identifier: BSD-3-Clause
// Microkernels, the transposition of their sums, and the packing of weights, on data that is in the first- or second-level cache. Columns:
// "peak" is the fraction of the FMA peak of the instruction set (fma_peak.cpp, run beside each benchmark), "bytes/s" the traffic of what
// does no arithmetic.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "core/buffer.hpp"
#include "kernels/registry.hpp"
#include "plan/problem.hpp"

#if defined(__x86_64__)
extern "C" double fma_avx512_f32(std::int64_t);
extern "C" double fma_avx512_f64(std::int64_t);
extern "C" double fma_avx2_f32(std::int64_t);
extern "C" double fma_avx2_f64(std::int64_t);
#endif

namespace npconv {
namespace {

// FLOP/s of the register-only loop, the 95th percentile of 20 runs; 0 where there is none for the instruction set.
double peak_of(const std::string& isa, bool f64) {
    std::function<double(std::int64_t)> loop;
#if defined(__x86_64__)
    if (isa == "avx512") loop = f64 ? fma_avx512_f64 : fma_avx512_f32;
    if (isa == "avx2") loop = f64 ? fma_avx2_f64 : fma_avx2_f32;
#endif
    if (!loop) return 0.0;
    std::vector<double> seen;
    for (int i = 0; i < 20; ++i) {
        const auto start = std::chrono::steady_clock::now();
        const double flops = loop(8'000);
        seen.push_back(flops / std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    std::sort(seen.begin(), seen.end());
    return seen[18];
}

template <class T>
Buffer ones(std::int64_t n) {
    Buffer b(static_cast<std::size_t>(n) * sizeof(T));
    std::fill_n(b.as<T>(), n, T(1));
    return b;
}

void report(benchmark::State& state, const std::string& isa, bool f64, double flops) {
    const double peak = peak_of(isa, f64);
    state.counters["GFLOP/s"] = benchmark::Counter(flops * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
    if (peak > 0) state.counters["peak"] = benchmark::Counter(flops / peak, benchmark::Counter::kIsIterationInvariantRate);
}

enum class Leave { sums, output };

// `tiles` register tiles side by side, as LOOP 4 runs them.
template <class T>
void tiles(benchmark::State& state, const KernelTable& table, Lane lane, int mr, int nv, std::int64_t k, Leave leave) {
    const Kernels<T>& kernels = kernels_of<T>(table);
    const bool pixel = lane == Lane::pixel;
    constexpr std::int64_t count = 8;
    const std::int64_t lanes = kernels.lanes;
    const std::int64_t pixels = pixel ? nv * lanes : mr, channels = pixel ? mr : nv * lanes;  // of a tile
    const std::int64_t row = (pixels * count + 15) / 16 * 16 + 16;
    const Buffer x = ones<T>(row * k), w = ones<T>(channels * k), sums = ones<T>(pixels * channels * count), y = ones<T>(row * channels);
    std::vector<std::int64_t> at, index, whole, slot;
    for (std::int64_t i = 0; i < pixels * count; i += pixel ? lanes : 1) {
        at.push_back(i);
        index.push_back(i);
        whole.push_back(lanes);
        slot.push_back(i / lanes);
    }
    Output<T> output{};
    output.y = y.as<T>();
    output.y_stride = pixel ? row : channels;
    output.channels = channels;
    const Segment segment{0, 0, k};
    GemmTile<T> tile{};
    tile.x = x.as<const T>();
    tile.segment = &segment;
    tile.segments = 1;
    tile.k_stride = row;
    tile.w = w.as<const T>();
    tile.sums = sums.as<T>();
    tile.output = leave == Leave::output ? &output : nullptr;
    const auto kernel = pixel ? kernels.pixel_tile[nv - 1][mr - 1] : kernels.channel_tile[nv - 1][mr - 1];
    const std::int64_t step = pixel ? nv : mr;
    for (auto _ : state) {
        for (std::int64_t i = 0; i < count; ++i) {
            tile.at = at.data() + i * step;
            tile.index = index.data() + i * step;
            tile.count = whole.data() + i * step;
            tile.slot = slot.data() + i * step;
            kernel(tile);
        }
        benchmark::ClobberMemory();
    }
    report(state, table.isa, sizeof(T) == 8, 2.0 * static_cast<double>(pixels * channels * k * count));
}

template <class T>
void transpose(benchmark::State& state, const KernelTable& table, std::int64_t pixels, std::int64_t channels) {
    const Kernels<T>& kernels = kernels_of<T>(table);
    const Buffer sums = ones<T>(pixels * channels), y = ones<T>((pixels + 16) * channels);
    PixelSums<T> t{};
    t.sums = sums.as<const T>();
    t.stride = channels;
    t.pixels = pixels;
    t.output.y = y.as<T>();
    t.output.y_stride = pixels + 16;
    t.output.channels = channels;
    for (auto _ : state) {
        kernels.transpose_sums(t);
        benchmark::ClobberMemory();
    }
    state.SetBytesProcessed(state.iterations() * 2 * pixels * channels * static_cast<std::int64_t>(sizeof(T)));
}

template <class T>
void pack(benchmark::State& state, const KernelTable& table, std::int64_t columns) {
    const Kernels<T>& kernels = kernels_of<T>(table);
    const std::int64_t lanes = kernels.lanes;
    const Buffer from = ones<T>(lanes * columns), to = ones<T>(lanes * columns);
    std::vector<std::int64_t> place;
    for (std::int64_t i = 0; i < columns; ++i) place.push_back(i);
    const PackedRows<T> rows{from.as<const T>(), columns, lanes, lanes, columns, place.data(), to.as<T>(), lanes};
    for (auto _ : state) {
        kernels.pack_vectors(rows);
        benchmark::ClobberMemory();
    }
    state.SetBytesProcessed(state.iterations() * 2 * lanes * columns * static_cast<std::int64_t>(sizeof(T)));
}

template <class T>
void register_all(const KernelTable& table) {
    const std::string end = std::string("/") + table.isa + (sizeof(T) == 8 ? "/f64" : "/f32");
    const auto register_tile = [&](const std::string& name, Lane lane, int mr, int nv) {
        for (const std::int64_t k : {16, 64, 256}) {
            for (const Leave leave : {Leave::sums, Leave::output}) {
                const std::string full = name + end + "/" + std::to_string(mr) + "x" + std::to_string(nv) + "/k" + std::to_string(k) +
                                         (leave == Leave::sums ? "/sums" : "/output");
                benchmark::RegisterBenchmark(full.c_str(), [&table, lane, mr, nv, k, leave](benchmark::State& state) {
                    tiles<T>(state, table, lane, mr, nv, k, leave);
                });
            }
        }
    };
    const GemmEntry& entry = table.entries->gemm[sizeof(T) == sizeof(double)];
    for (int nv = 1; nv <= entry.nv; ++nv) register_tile("channel_tile", Lane::channel, entry.mr[nv - 1], nv);
    for (int nv = 1; nv <= entry.pixel_nv; ++nv) register_tile("pixel_tile", Lane::pixel, entry.pixel_mr, nv);
    benchmark::RegisterBenchmark(("transpose_sums" + end).c_str(), [&table](benchmark::State& s) { transpose<T>(s, table, 112, 64); });
    benchmark::RegisterBenchmark(("pack_vectors" + end).c_str(), [&table](benchmark::State& s) { pack<T>(s, table, 576); });
}

}  // namespace
}  // namespace npconv

int main(int argc, char** argv) {
    for (const npconv::KernelSet& set : npconv::kernel_sets()) {
        if (!set.available) continue;
        npconv::register_all<float>(*set.table);
        npconv::register_all<double>(*set.table);
    }
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    benchmark::RunSpecifiedBenchmarks();
    return 0;
}
