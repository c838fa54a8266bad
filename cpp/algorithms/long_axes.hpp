// SPDX-License-Identifier: BSD-3-Clause
// How poolings of long windows are cut. An axis with dilation falls into residue classes that are poolings without: results of one class
// see inputs of one residue. The axis of the longest windows, the outer one, is slid along (sliding.hpp); its sources are lines: tiles of
// the other two axes, pooled within. Neighbouring classes of the outer axis that are alike, or channels, are the lanes of a line.
#pragma once
#include <array>
#include <cstdint>

#include "algorithms/sliding.hpp"
#include "core/pool_shape.hpp"

namespace npconv {

// Results (spread: inputs) of one class of an axis, or of some alike: number m of lane l is at first + m * step + l * lane.
struct Numbers {
    std::int64_t first = 0, step = 1, lane = 0;
    std::int64_t at(std::int64_t m, std::int64_t l) const { return first + m * step + l * lane; }
};

struct ClassOfAxis {
    std::int64_t input = 0, output = 0, kernel = 1, stride = 1, pad = 0;  // without dilation
    Numbers inputs, outputs;
    std::int64_t lanes = 1;

    Ranges forward() const { return {input, output, kernel, stride, pad, false}; }
    Ranges backward() const { return {output, input, kernel, stride, pad, true}; }
};

std::int64_t classes_of(const Axis& axis);
// Class number c, and up to `most` that follow, if they are alike.
ClassOfAxis class_of(const Axis& axis, std::int64_t c, std::int64_t most);

// The sources begin..end that results begin..end see.
struct Part {
    std::int64_t begin = 0, end = 1;
    std::int64_t length() const { return end - begin; }
};
Part sources_of(const Ranges& ranges, Part results);

// The tile of the two inner axes, pooled in memory along the second and then the first.
template <class Op>
class InnerPooling {
  public:
    using Cell = typename Op::Cell;
    using Size = std::int64_t;

    InnerPooling(const Ranges& a, const Ranges& b, Part results_a, Part results_b, Size lanes)
        : a_(a), b_(b), ra_(results_a), rb_(results_b), sa_(sources_of(a, ra_)), sb_(sources_of(b, rb_)), lanes_(lanes) {}

    const Part& sources_a() const { return sa_; }
    const Part& sources_b() const { return sb_; }
    Size results() const { return ra_.length() * rb_.length() * lanes_; }
    bool trivial() const { return a_.longest() == 1 && b_.longest() == 1 && a_.step() == 1 && b_.step() == 1 && same(a_) && same(b_); }
    // Of sources, of what has been pooled along one axis, and of the two that slide.
    Size region() const { return trivial() ? 0 : sa_.length() * sb_.length() * lanes_; }
    Size between() const { return trivial() ? 0 : sa_.length() * rb_.length() * lanes_; }
    Size cells() const {
        if (trivial()) return 0;
        return region() + between() +
               std::max(typename Sliding<Op>::Plan(a_).cells(rb_.length() * lanes_), typename Sliding<Op>::Plan(b_).cells(lanes_));
    }

    // load(a, b, to): the lanes of a source. to: all results, in order.
    template <class Load>
    void run(const Load& load, Cell* memory, Cell* to) const {
        if (trivial()) {
            for (Size i = ra_.begin; i < ra_.end; ++i) {
                for (Size j = rb_.begin; j < rb_.end; ++j, to += lanes_) load(i - a_.pad, j - b_.pad, to);
            }
            return;
        }
        Cell* const region_at = memory;
        Cell* const between_at = memory + region();
        Cell* const slide_at = between_at + between();
        Cell* into = region_at;
        for (Size i = sa_.begin; i < sa_.end; ++i) {
            for (Size j = sb_.begin; j < sb_.end; ++j, into += lanes_) load(i, j, into);
        }
        const auto along = [&](const Ranges& r, Part sources, Part results, Size line, const Cell* from, Cell* out) {
            Sliding<Op> sliding(typename Sliding<Op>::Plan(r), r.sources, line, slide_at);
            // Blocks may begin before the first source that these results see; what is not there is in no window.
            const auto source = [&](int, Size k, Cell* s) {
                if (k >= sources.begin && k < sources.end)
                    std::copy_n(from + (k - sources.begin) * line, line, s);
                else
                    std::fill_n(s, line, Op::nothing());
            };
            for (Size m = results.begin; m < results.end; ++m, out += line)
                std::copy_n(sliding.at(r.begin(m), r.end(m), source), line, out);
        };
        const Size width = rb_.length() * lanes_;
        for (Size i = 0; i < sa_.length(); ++i) along(b_, sb_, rb_, lanes_, region_at + i * sb_.length() * lanes_, between_at + i * width);
        along(a_, sa_, ra_, width, between_at, to);
    }

  private:
    // Result m is source m - pad, and there.
    static bool same(const Ranges& r) { return r.pad == 0 && r.sources == r.results; }

    Ranges a_, b_;
    Part ra_, rb_, sa_, sb_;
    Size lanes_;
};

}  // namespace npconv
