// SPDX-License-Identifier: BSD-3-Clause
// Long windows that slide along an axis, in little memory: van Herk (1992) with blocks of about twice the square root of the window length.
// A window is a suffix of one block, several whole blocks, and a prefix of another block. The suffixes of one block are kept, and the
// result of each whole block, so a window of k sources needs memory for about 2.5 sqrt(k) lines. Each source is made twice: once where
// windows begin, once where they end. Blocks begin at multiples of their length on the whole axis, and each sum adds at most 32 sums of the
// next smaller kind. So neither order nor error of a sum depends on the windows that a caller asks for, and a source affects only the
// windows that hold it.
#pragma once
#include <algorithm>
#include <cstdint>

#include "plan/long_tiling.hpp"

namespace npconv {

// An example of an Op: the type Cell of pooled values, the result of an empty window, and the join of a cell with a later one.
struct SumCells {
    using Cell = double;
    static Cell nothing() { return 0; }
    static Cell join(Cell first, Cell second) { return first + second; }
};

template <class Op>
class Sliding {
  public:
    using Cell = typename Op::Cell;
    using Size = std::int64_t;

    Sliding(const SlidingPlan& plan, Size sources, Size line, Cell* memory)
        : block_(plan.block),
          ring_size_(plan.ring),
          sources_(sources),
          line_(line),
          suffix_(memory),
          ring_(suffix_ + block_ * line),
          made_(ring_ + ring_size_ * line),
          middle_(made_ + line),
          result_(middle_ + line),
          prefix_(result_ + line, line),
          others_(result_ + 3 * line, line) {}

    // The line of the window of sources begin..end. source(cursor, number, line) makes a source. For each cursor, numbers rise as long as
    // windows move forward.
    template <class Source>
    const Cell* at(Size begin, Size end, const Source& source) {
        if (begin == begin_ && end == end_) return result_;  // as is common for the gradient of a pooling with a stride
        begin_ = begin;
        end_ = end;
        if (begin >= end) {
            std::fill_n(result_, line_, Op::nothing());
            return result_;
        }
        const Size first = block_ > 0 ? begin / block_ : 0;
        const Size last = block_ == 0 ? 0 : end == sources_ ? ceil_div(sources_, block_) : end / block_;
        if (block_ == 0 || (first == last && begin % block_ != 0)) {
            others_.clear();
            for (Size j = begin; j < end; ++j) {
                source(0, j, made_);
                others_.add(made_);
            }
            others_.total(result_);
            between_first_ = -1;
            return result_;
        }
        const Size start = (first == last ? first : first + 1) * block_;
        if (reached_ < start || end < reached_ || start < ring_begin_) reached_ = ring_begin_ = start;
        for (; reached_ < end; ++reached_) {
            if (reached_ % block_ == 0) prefix_.clear();
            source(0, reached_, made_);
            prefix_.add(made_);
            if ((reached_ + 1) % block_ == 0 || reached_ + 1 == sources_) prefix_.total(ring_ + reached_ / block_ % ring_size_ * line_);
        }
        if (first == last) {
            prefix_.total(result_);
            return result_;
        }
        const Size at = begin % block_;
        if (held_ != first || at < held_from_) hold(first, at, source);
        std::copy_n(suffix_ + at * line_, line_, result_);
        if (last > first + 1) {
            if (between_first_ != first || between_last_ != last) {
                others_.clear();
                for (Size b = first + 1; b < last; ++b) others_.add(ring_ + b % ring_size_ * line_);
                others_.total(middle_);
                between_first_ = first;
                between_last_ = last;
            }
            join(result_, middle_);
        }
        if (end != sources_ && end % block_ != 0) {
            prefix_.total(made_);
            join(result_, made_);
        }
        return result_;
    }

  private:
    // The join of lines that are added one by one.
    struct Sum {
        static constexpr Size together = 32;
        Cell *some, *all;
        Size line, count = 0;

        Sum(Cell* memory, Size n) : some(memory), all(memory + n), line(n) {}
        void clear() { count = 0; }
        void add(const Cell* v) {
            if (count % together == 0) {
                if (count > 0) keep();
                std::copy_n(v, line, some);
            } else {
                for (Size i = 0; i < line; ++i) some[i] = Op::join(some[i], v[i]);
            }
            ++count;
        }
        void keep() {
            if (count == together) std::copy_n(some, line, all);
            for (Size i = 0; count > together && i < line; ++i) all[i] = Op::join(all[i], some[i]);
        }
        void total(Cell* to) const {
            if (count <= together) {
                std::copy_n(some, line, to);
                return;
            }
            for (Size i = 0; i < line; ++i) to[i] = Op::join(all[i], some[i]);
        }
    };

    void join(Cell* first, const Cell* second) const {
        for (Size i = 0; i < line_; ++i) first[i] = Op::join(first[i], second[i]);
    }

    // Makes the suffixes of block `number` that begin at `from` or later. Sources are joined in runs of up to 32, and a suffix is the join
    // of a part of a run with all runs behind it.
    template <class Source>
    void hold(Size number, Size from, const Source& source) {
        const Size n = std::min(block_, sources_ - number * block_), run = Sum::together;
        for (Size i = from; i < n; ++i) source(1, number * block_ + i, suffix_ + i * line_);
        for (Size end = n; end > from; end = (end - 1) / run * run) {
            const Size begin = std::max((end - 1) / run * run, from);
            for (Size i = end - 2; i >= begin; --i) {
                Cell *to = suffix_ + i * line_, *next = to + line_;
                for (Size c = 0; c < line_; ++c) to[c] = Op::join(to[c], next[c]);
            }
            if (end == n) continue;
            // Suffix `end` is the join of all runs behind this one.
            const Cell* behind = suffix_ + end * line_;
            for (Size i = begin; i < end; ++i) {
                Cell* to = suffix_ + i * line_;
                for (Size c = 0; c < line_; ++c) to[c] = Op::join(to[c], behind[c]);
            }
        }
        held_ = number;
        held_from_ = from;
    }

    Size block_, ring_size_, sources_, line_;
    Cell *suffix_, *ring_, *made_, *middle_, *result_;
    Sum prefix_, others_;
    Size begin_ = -1, end_ = -1;           // the last window
    Size reached_ = -1, ring_begin_ = -1;  // next source of the cursor of ends; first source of the kept whole blocks
    Size held_ = -1, held_from_ = 0;
    Size between_first_ = -1, between_last_ = -1;
};

// Pools a tile of the two inner axes in memory, first along b, then along a.
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
    // Cells of memory: the sources; the results along b; and these two with the larger of the memories of Sliding.
    Size region() const { return trivial() ? 0 : sa_.length() * sb_.length() * lanes_; }
    Size between() const { return trivial() ? 0 : sa_.length() * rb_.length() * lanes_; }
    Size cells() const {
        if (trivial()) return 0;
        return region() + between() + std::max(SlidingPlan(a_).cells(rb_.length() * lanes_), SlidingPlan(b_).cells(lanes_));
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
            Sliding<Op> sliding(SlidingPlan(r), r.sources, line, slide_at);
            // Blocks may begin before the first source that these results see. Sources that are missing here are in no window.
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
    // Is result m the source m, for all m?
    static bool same(const Ranges& r) { return r.pad == 0 && r.sources == r.results; }

    Ranges a_, b_;
    Part ra_, rb_, sa_, sb_;
    Size lanes_;
};

}  // namespace npconv
