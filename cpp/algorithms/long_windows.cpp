// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/long_windows.hpp"

#include <algorithm>
#include <cmath>

#include "algorithms/kernel_runs.hpp"
#include "algorithms/long_tasks.hpp"
#include "algorithms/min_pool.hpp"
#include "algorithms/norms.hpp"
#include "core/thread_local.hpp"

namespace npconv {
namespace {

using Size = std::int64_t;

// Where the elements of results, or of inputs, stand in a dense array of the layout.
struct Places {
    std::array<Size, 3> step;
    Size channel, batch;

    Places(const PoolShape& s, Layout layout, Size Axis::*size, Size batch_step) : batch(batch_step) {
        const bool last = layout == Layout::channels_last;
        step[2] = last ? s.channels : 1;
        step[1] = step[2] * s.axis[2].*size;
        step[0] = step[1] * s.axis[1].*size;
        channel = last ? 1 : step[0] * s.axis[0].*size;
    }
    Size at(Size image, Size c, const std::array<Size, 3>& i) const {
        return image * batch + c * channel + i[0] * step[0] + i[1] * step[1] + i[2] * step[2];
    }
};

template <class X>
const X* element(const TensorView<const X>& v, Size image, Size channel, const std::array<Size, 3>& i) {
    return v.data + image * v.batch + channel * v.channel + i[0] * v.spatial[0] + i[1] * v.spatial[1] + i[2] * v.spatial[2];
}

// How a pooling by joins of Op is cut.
template <class Op>
LongTasks long_tasks(const PoolShape& shape, bool spread, Layout layout) {
    using Plan = typename Sliding<Op>::Plan;
    const auto ranges = [spread](const ClassOfAxis& c) { return spread ? c.backward() : c.forward(); };
    return LongTasks(shape, layout, spread,
                     [&](const ClassOfAxis& a, const ClassOfAxis& b, const ClassOfAxis& outer, Size tile_a, Size tile_b, Size lanes) {
                         const auto widest = [](const Ranges& r, Size n) {  // sources that n neighbours see at most
                             return Part{0, std::min(r.sources, (n - 1) * r.step() + r.longest())};
                         };
                         const Ranges ra = ranges(a), rb = ranges(b);
                         const Size sa = widest(ra, tile_a).end, sb = widest(rb, tile_b).end, line = tile_a * tile_b * lanes;
                         const Size inner =
                             sa * sb * lanes + sa * tile_b * lanes + std::max(Plan(ra).cells(tile_b * lanes), Plan(rb).cells(lanes));
                         return (inner + Plan(ranges(outer)).cells(line)) * static_cast<Size>(sizeof(typename Op::Cell));
                     });
}

// load(image, channel, place on each axis): a source. store(image, channel, place on each axis, cell): a result.
template <class Op, class Load, class Store>
bool pool_long(const PoolShape& shape, bool spread, const PoolCall& call, const Load& load, const Store& store) {
    using Cell = typename Op::Cell;
    using Plan = typename Sliding<Op>::Plan;
    const auto ranges = [spread](const ClassOfAxis& c) { return spread ? c.backward() : c.forward(); };
    const LongTasks tasks = long_tasks<Op>(shape, spread, call.layout);
    if (!tasks.fits()) return false;
    count_kernel_run(*call.kernels);
    tasks.each(call.threads, [&](const LongTask& t, char* memory) {
        const ClassOfAxis &ca = t.axis[t.a], &cb = t.axis[t.b], &co = t.axis[t.outer];
        const Ranges outer = ranges(co);
        const InnerPooling<Op> inner(ranges(ca), ranges(cb), t.tile_a, t.tile_b, t.lanes);
        const auto from = [&](const ClassOfAxis& c) { return spread ? c.outputs : c.inputs; };
        const auto to = [&](const ClassOfAxis& c) { return spread ? c.inputs : c.outputs; };
        const Numbers fa = from(ca), fb = from(cb), fo = from(co), ta = to(ca), tb = to(cb), tout = to(co);
        auto* const cells = reinterpret_cast<Cell*>(memory);
        Sliding<Op> sliding(Plan(outer), outer.sources, inner.results(), cells + inner.cells());
        std::array<Size, 3> i{};
        const auto source = [&](int, Size number, Cell* line) {
            inner.run(
                [&](Size a, Size b, Cell* lanes) {
                    i[t.a] = fa.at(a, 0);
                    i[t.b] = fb.at(b, 0);
                    for (Size l = 0; l < t.lanes; ++l) {
                        i[t.outer] = t.at(t.outer, fo, number, l);
                        lanes[l] = load(t.image, t.channel_of(l), i);
                    }
                },
                cells, line);
        };
        std::array<Size, 3> o{};
        for (Size m = t.part.begin; m < t.part.end; ++m) {
            const Cell* line = sliding.at(outer.begin(m), outer.end(m), source);
            for (Size a = t.tile_a.begin; a < t.tile_a.end; ++a) {
                o[t.a] = ta.at(a, 0);
                for (Size b = t.tile_b.begin; b < t.tile_b.end; ++b) {
                    o[t.b] = tb.at(b, 0);
                    for (Size l = 0; l < t.lanes; ++l) {
                        o[t.outer] = t.at(t.outer, tout, m, l);
                        store(t.image, t.channel_of(l), o, *line++);
                    }
                }
            }
        }
    });
    return true;
}

// What an average divides by; windows that are complete are told apart without a division.
class DivisorOf {
  public:
    DivisorOf(const PoolShape& shape, const AverageRule& rule) : shape_(shape), rule_(rule) {
        for (std::size_t i = 0; i < 3; ++i) complete_[i] = complete_windows(shape.axis[i], rule.count_include_pad);
    }
    double operator()(const std::array<Size, 3>& o) const {
        if (rule_.divisor) return static_cast<double>(*rule_.divisor);
        double product = 1;
        for (std::size_t i = 0; i < 3; ++i) {
            const Axis& a = shape_.axis[i];
            const bool complete = o[i] >= complete_[i].first && o[i] < complete_[i].second;
            product *= static_cast<double>(complete ? a.kernel : counted_taps(a, o[i], rule_.count_include_pad));
        }
        return product;
    }

  private:
    PoolShape shape_;
    AverageRule rule_;
    std::array<std::pair<Size, Size>, 3> complete_;
};

bool dilated(const PoolShape& s) {
    return std::any_of(s.axis.begin(), s.axis.end(), [](const Axis& a) { return a.dilation > 1; });
}

// Zero to all, because the windows of an axis with dilation may leave out whole residue classes.
template <class X>
void clear(const PoolShape& s, X* y, Size batch) {
    for (Size image = 0; image < s.batch; ++image) std::fill_n(y + image * batch, s.channels * s.inputs(), X(0));
}

}  // namespace

namespace {
// Readings of all windows one by one, to elements.
struct Readings {
    double taps, cells;
    explicit Readings(const PoolShape& s) : taps(static_cast<double>(s.planes())), cells(taps) {
        for (const Axis& a : s.axis)
            taps *= static_cast<double>(std::min(a.kernel, ceil_div(a.input, a.dilation))) * static_cast<double>(a.output);
        cells *= static_cast<double>(std::max(s.inputs(), s.outputs()));
    }
};
}  // namespace

bool too_many_taps(const PoolShape& s) {
    constexpr double seconds = 4e9, several = 16;
    const Readings r(s);
    return r.taps > seconds && r.taps > several * r.cells;
}

bool too_many_taps_apart(const PoolShape& s) {
    constexpr double tenth_of_a_second = 1e6, several = 4;
    const Readings r(s);
    return s.axis[2].dilation > 1 && r.taps > tenth_of_a_second && r.taps > several * r.cells;
}

bool long_rows_apart(const PoolShape& s) {
    const Readings r(s);
    return s.axis[2].kernel >= 64 && r.taps <= 4 * r.cells;
}

namespace {
// Maxima, or minima: the maxima of values in reverse order.
template <class X>
bool long_extreme_pool(const PoolShape& shape, bool minima, const PoolCall& call, const PoolOperands<X>& io) {
    const Places to(shape, call.layout, &Axis::output, io.y_batch);
    const auto reversed = [minima](X v) { return minima ? flipped(v) : v; };
    if (!io.places) {
        return pool_long<MaximumCells<X>>(
            shape, false, call, [&](Size image, Size c, const std::array<Size, 3>& i) { return reversed(*element(io.x, image, c, i)); },
            [&](Size image, Size c, const std::array<Size, 3>& o, X v) { io.y[to.at(image, c, o)] = reversed(v); });
    }
    const Places place(shape, call.layout, &Axis::output, shape.channels * shape.outputs());
    const Size height = shape.axis[1].input, width = shape.axis[2].input;
    using Cell = typename PlacedCells<X>::Cell;
    return pool_long<PlacedCells<X>>(
        shape, false, call,
        [&](Size image, Size c, const std::array<Size, 3>& i) {
            return Cell{reversed(*element(io.x, image, c, i)), (i[0] * height + i[1]) * width + i[2]};
        },
        [&](Size image, Size c, const std::array<Size, 3>& o, const Cell& v) {
            io.y[to.at(image, c, o)] = reversed(v.value);
            io.places[place.at(image, c, o)] = v.place;
        });
}
}  // namespace

template <class X>
bool long_max_pool(const PoolShape& shape, const PoolCall& call, const PoolOperands<X>& io) {
    return long_extreme_pool(shape, false, call, io);
}

template <class X>
bool long_min_pool(const PoolShape& shape, const PoolCall& call, const PoolOperands<X>& io) {
    return long_extreme_pool(shape, true, call, io);
}

template <class X>
bool long_avg_pool(const PoolShape& shape, const AverageRule& rule, const PoolCall& call, const PoolOperands<X>& io) {
    const Places to(shape, call.layout, &Axis::output, io.y_batch);
    const DivisorOf divisor(shape, rule);
    return pool_long<SumCells>(
        shape, false, call,
        [&](Size image, Size c, const std::array<Size, 3>& i) { return static_cast<double>(*element(io.x, image, c, i)); },
        [&](Size image, Size c, const std::array<Size, 3>& o, double sum) { io.y[to.at(image, c, o)] = static_cast<X>(sum / divisor(o)); });
}

template <class X>
bool long_lp_pool(const PoolShape& shape, double p, const PoolCall& call, const PoolOperands<X>& io) {
    const Places to(shape, call.layout, &Axis::output, io.y_batch);
    return pool_long<SumCells>(
        shape, false, call,
        [&](Size image, Size c, const std::array<Size, 3>& i) {
            return raised(std::abs(static_cast<double>(*element(io.x, image, c, i))), p);
        },
        [&](Size image, Size c, const std::array<Size, 3>& o, double sum) { io.y[to.at(image, c, o)] = static_cast<X>(root(sum, p)); });
}

namespace {
// The largest of some magnitudes, and the sum of the powers of their quotients by it.
template <int>
struct ScaledCells {
    struct Cell {
        double most, sum;
    };
    NPCONV_THREAD_LOCAL static double p;
    static Cell nothing() { return {0, 0}; }
    static Cell join(const Cell& a, const Cell& b) {
        if (b.most != b.most) return b;
        if (a.most != a.most) return a;
        if (a.most == b.most) return {a.most, a.sum + b.sum};
        const Cell &high = a.most > b.most ? a : b, &low = a.most > b.most ? b : a;
        return {high.most, high.sum + (low.most > 0 ? low.sum * raised(low.most / high.most, p) : 0)};
    }
};
template <int N>
NPCONV_THREAD_LOCAL double ScaledCells<N>::p = 2;
}  // namespace

template <class X>
bool long_norms(const PoolShape& shape, double p, const PoolCall& call, const PoolOperands<X>& io) {
    using Op = ScaledCells<0>;
    const Places to(shape, call.layout, &Axis::output, io.y_batch);
    const NormRange<X> range(p);
    return pool_long<Op>(
        shape, false, call,
        [&](Size image, Size c, const std::array<Size, 3>& i) {
            Op::p = p;
            const double v = std::abs(static_cast<double>(*element(io.x, image, c, i)));
            return Op::Cell{v, v == 0 ? 0.0 : 1.0};
        },
        [&](Size image, Size c, const std::array<Size, 3>& o, const Op::Cell& v) {
            X& y = io.y[to.at(image, c, o)];
            if (!range.doubtful(static_cast<double>(y))) return;
            y = static_cast<X>(v.most > 0 && std::isfinite(v.most) ? v.most * root(v.sum, p) : v.most);
        });
}

namespace {
template <class Op>
Size bytes_of(const PoolShape& shape, Layout layout, int threads) {
    const LongTasks tasks = long_tasks<Op>(shape, false, layout);
    return tasks.fits() ? tasks.bytes() * tasks.slots(threads) : 0;
}
}  // namespace

Size long_pool_bytes(const PoolShape& shape, const PoolRule& rule, DType dtype, Layout layout, int threads) {
    if (rule.kind == PoolKind::average || rule.kind == PoolKind::norm) return bytes_of<SumCells>(shape, layout, threads);
    return with_type(dtype, [&](auto t) {
        using X = decltype(t);
        return rule.places ? bytes_of<PlacedCells<X>>(shape, layout, threads) : bytes_of<MaximumCells<X>>(shape, layout, threads);
    });
}

Size long_norms_bytes(const PoolShape& shape, Layout layout, int threads) { return bytes_of<ScaledCells<0>>(shape, layout, threads); }

template <class X>
bool long_avg_pool_gradient(const PoolShape& shape, const AverageRule& rule, const PoolCall& call, const PoolOperands<X>& io) {
    const Places to(shape, call.layout, &Axis::input, io.y_batch);
    const DivisorOf divisor(shape, rule);
    if (dilated(shape)) clear(shape, io.y, io.y_batch);
    return pool_long<SumCells>(
        shape, true, call,
        [&](Size image, Size c, const std::array<Size, 3>& o) { return static_cast<double>(*element(io.x, image, c, o)) / divisor(o); },
        [&](Size image, Size c, const std::array<Size, 3>& i, double sum) { io.y[to.at(image, c, i)] = static_cast<X>(sum); });
}

template <class X>
bool long_lp_pool_gradient(const PoolShape& shape, double p, double x_scale, const PoolCall& call, const TensorView<const X>& x,
                           const TensorView<const X>& g, X* y, Size y_batch) {
    using Op = SumCells;
    using Plan = Sliding<Op>::Plan;
    const LongTasks tasks(
        shape, call.layout, true,
        [&](const ClassOfAxis& a, const ClassOfAxis& b, const ClassOfAxis& outer, Size tile_a, Size tile_b, Size lanes) {
            const auto seen = [](const Ranges& r, Size n) { return std::min(r.sources, (n - 1) * r.step() + r.longest()); };
            const Size oa = seen(a.backward(), tile_a), ob = seen(b.backward(), tile_b), norms = oa * ob * lanes;
            const Size xa = seen(a.forward(), oa), xb = seen(b.forward(), ob);
            const auto inner = [&](const Ranges& ra, const Ranges& rb, Size sources_a, Size sources_b, Size results_b) {
                return (sources_a * sources_b + sources_a * results_b) * lanes +
                       std::max(Plan(ra).cells(results_b * lanes), Plan(rb).cells(lanes));
            };
            const Size cells = inner(a.forward(), b.forward(), xa, xb, ob) + inner(a.backward(), b.backward(), oa, ob, tile_b) +
                               2 * Plan(outer.forward()).cells(norms) + norms + Plan(outer.backward()).cells(tile_a * tile_b * lanes);
            return cells * static_cast<Size>(sizeof(double));
        });
    if (!tasks.fits()) return false;
    const Places to(shape, call.layout, &Axis::input, y_batch);
    if (dilated(shape)) clear(shape, y, y_batch);
    count_kernel_run(*call.kernels);
    tasks.each(call.threads, [&](const LongTask& t, char* memory) {
        const ClassOfAxis &ca = t.axis[t.a], &cb = t.axis[t.b], &co = t.axis[t.outer];
        const Ranges forward = co.forward(), backward = co.backward();
        const InnerPooling<Op> back(ca.backward(), cb.backward(), t.tile_a, t.tile_b, t.lanes);
        const Part oa = sources_of(ca.backward(), t.tile_a), ob = sources_of(cb.backward(), t.tile_b);
        const InnerPooling<Op> front(ca.forward(), cb.forward(), oa, ob, t.lanes);
        auto* const front_memory = reinterpret_cast<double*>(memory);
        double* const back_memory = front_memory + front.cells();
        double* const terms = back_memory + back.cells();
        double* const first = terms + front.results();
        double* const second = first + Plan(forward).cells(front.results());
        Sliding<Op> norms[2] = {{Plan(forward), forward.sources, front.results(), first},
                                {Plan(forward), forward.sources, front.results(), second}};
        Sliding<Op> sliding(Plan(backward), backward.sources, back.results(), second + Plan(forward).cells(front.results()));
        std::array<Size, 3> i{};
        const auto place = [&](Numbers ClassOfAxis::*numbers, Size a, Size b, Size o, Size l) -> const std::array<Size, 3>& {
            i[t.a] = (ca.*numbers).at(a, 0);
            i[t.b] = (cb.*numbers).at(b, 0);
            i[t.outer] = t.at(t.outer, co.*numbers, o, l);
            return i;
        };
        const auto value = [&](Size l, const std::array<Size, 3>& at) {
            return static_cast<double>(*element(x, t.image, t.channel_of(l), at)) * x_scale;
        };
        const auto powers = [&](int, Size number, double* line) {
            front.run(
                [&](Size a, Size b, double* lanes) {
                    for (Size l = 0; l < t.lanes; ++l)
                        lanes[l] = raised(std::abs(value(l, place(&ClassOfAxis::inputs, a, b, number, l))), p);
                },
                front_memory, line);
        };
        // The gradients of the norms, each times its norm^(1-p).
        const auto shares = [&](int cursor, Size number, double* line) {
            const double* sums = norms[cursor].at(forward.begin(number), forward.end(number), powers);
            double* term = terms;
            for (Size a = oa.begin; a < oa.end; ++a) {
                for (Size b = ob.begin; b < ob.end; ++b) {
                    for (Size l = 0; l < t.lanes; ++l, ++term, ++sums) {
                        const double norm = root(*sums, p);
                        const X share = *element(g, t.image, t.channel_of(l), place(&ClassOfAxis::outputs, a, b, number, l));
                        *term = norm == 0 ? 0 : static_cast<double>(share) * (p == 1 ? 1 : p == 2 ? 1 / norm : std::pow(norm, 1 - p));
                    }
                }
            }
            back.run([&](Size a, Size b,
                         double* lanes) { std::copy_n(terms + ((a - oa.begin) * ob.length() + b - ob.begin) * t.lanes, t.lanes, lanes); },
                     back_memory, line);
        };
        for (Size m = t.part.begin; m < t.part.end; ++m) {
            const double* line = sliding.at(backward.begin(m), backward.end(m), shares);
            for (Size a = t.tile_a.begin; a < t.tile_a.end; ++a) {
                for (Size b = t.tile_b.begin; b < t.tile_b.end; ++b) {
                    for (Size l = 0; l < t.lanes; ++l) {
                        const auto& at = place(&ClassOfAxis::inputs, a, b, m, l);
                        const double v = value(l, at);
                        const double slope = p == 2 ? v : v == 0 ? 0 : std::copysign(p == 1 ? 1 : std::pow(std::abs(v), p - 1), v);
                        y[to.at(t.image, t.channel_of(l), at)] = static_cast<X>(*line++ * slope);
                    }
                }
            }
        }
    });
    return true;
}

#define NPCONV_LONG_MAX(X)                                                                  \
    template bool long_max_pool(const PoolShape&, const PoolCall&, const PoolOperands<X>&); \
    template bool long_min_pool(const PoolShape&, const PoolCall&, const PoolOperands<X>&);
NPCONV_LONG_MAX(float)
NPCONV_LONG_MAX(double)
NPCONV_LONG_MAX(std::int8_t)
NPCONV_LONG_MAX(std::uint8_t)
NPCONV_LONG_MAX(std::int16_t)
NPCONV_LONG_MAX(std::int32_t)
NPCONV_LONG_MAX(std::int64_t)
#undef NPCONV_LONG_MAX
#define NPCONV_LONG_SUMS(X)                                                                                            \
    template bool long_avg_pool(const PoolShape&, const AverageRule&, const PoolCall&, const PoolOperands<X>&);        \
    template bool long_lp_pool(const PoolShape&, double, const PoolCall&, const PoolOperands<X>&);                     \
    template bool long_norms(const PoolShape&, double, const PoolCall&, const PoolOperands<X>&);                       \
    template bool long_lp_pool_gradient(const PoolShape&, double, double, const PoolCall&, const TensorView<const X>&, \
                                        const TensorView<const X>&, X*, Size);                                         \
    template bool long_avg_pool_gradient(const PoolShape&, const AverageRule&, const PoolCall&, const PoolOperands<X>&);
NPCONV_LONG_SUMS(float)
NPCONV_LONG_SUMS(double)
#undef NPCONV_LONG_SUMS

}  // namespace npconv
