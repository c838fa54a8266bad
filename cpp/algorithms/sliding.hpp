// SPDX-License-Identifier: BSD-3-Clause
// Long windows that slide along an axis, in little memory: van Herk (1992) over blocks of about twice the root of their length. A window is
// a suffix of one block, some whole blocks, and a prefix of another. The suffixes of one block are kept, and a result of each whole block;
// so a window of k needs memory for 2.5 sqrt(k) lines. Each source is made twice: where windows begin, and where they end. Blocks begin at
// multiples of their length on the whole axis, and sums are made of sums of at most 32 of the next smaller kind: neither their order nor
// their error depends on which windows are asked for, and no number leaves the windows that hold it.
#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>

#include "core/split.hpp"

namespace npconv {

// What is pooled. A cell is joined with later ones: of equal maxima the first stays, of NaNs the last.
template <class X>
struct MaximumCells {
    using Cell = X;
    static Cell nothing() {
        using Limits = std::numeric_limits<X>;
        return Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
    }
    static Cell join(Cell first, Cell second) { return second > first || second != second ? second : first; }
};

template <class X>
struct PlacedCells {
    struct Cell {
        X value;
        std::int64_t place;
    };
    static Cell nothing() { return {MaximumCells<X>::nothing(), -1}; }
    static Cell join(const Cell& first, const Cell& second) {
        return first.place < 0 || second.value > first.value || second.value != second.value ? second : first;
    }
};

struct SumCells {
    using Cell = double;
    static Cell nothing() { return 0; }
    static Cell join(Cell first, Cell second) { return first + second; }
};

// The results of an axis without dilation: result m pools the sources begin(m)..end(m), which both rise with m. Of a pooling, or the other
// way round: of its gradient, whose sources are the results of the pooling.
struct Ranges {
    std::int64_t sources = 1, results = 1, kernel = 1, stride = 1, pad = 0;
    bool spread = false;

    std::int64_t begin(std::int64_t m) const {
        const std::int64_t first = spread ? ceil_div(std::max<std::int64_t>(m + pad - kernel + 1, 0), stride) : m * stride - pad;
        return std::clamp<std::int64_t>(first, 0, sources);
    }
    std::int64_t end(std::int64_t m) const {
        const std::int64_t from = m + pad, last = spread ? (from < 0 ? 0 : from / stride + 1) : m * stride - pad + kernel;
        return std::clamp(last, begin(m), sources);
    }
    // Lengths of the windows that the ends of the axis do not cut.
    std::int64_t longest() const { return spread ? (kernel - 1) / stride + 1 : kernel; }
    std::int64_t shortest() const { return spread ? kernel / stride : kernel; }
    std::int64_t step() const { return spread ? 1 : stride; }
};

template <class Op>
class Sliding {
  public:
    using Cell = typename Op::Cell;
    using Size = std::int64_t;

    // The length of a block, and the number of kept results of blocks. Block 0: each window is pooled anew, which costs no more where
    // windows are short or far from each other.
    struct Plan {
        Size block = 0, ring = 0;

        explicit Plan(const Ranges& r = {}) {
            const Size longest = std::min(r.longest(), r.sources), shortest = r.shortest();
            if (longest <= 3 * r.step() || shortest < 4) return;
            const auto root = static_cast<Size>(std::bit_width(static_cast<std::uint64_t>(longest)) + 1) / 2;
            block = std::min(Size{1} << root, static_cast<Size>(std::bit_floor(static_cast<std::uint64_t>(shortest / 2))));
            ring = longest / block + 2;
        }
        Size cells(Size line) const { return (block + ring + lines) * line; }
    };

    Sliding(const Plan& plan, Size sources, Size line, Cell* memory)
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

    // The line of the window of sources begin..end. Made by source(cursor, number, line): for either cursor the numbers rise for as long as
    // those of windows do.
    template <class Source>
    const Cell* at(Size begin, Size end, const Source& source) {
        if (begin == begin_ && end == end_) return result_;  // as neighbours often are where the pooling has a stride
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
    // A result of lines that are added one by one.
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

    // The suffixes of a block that begin `from` or later, each a sum of those of up to 32 sources and of the rest by such runs.
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
            // All runs behind, of which suffix `end` is the sum.
            const Cell* behind = suffix_ + end * line_;
            for (Size i = begin; i < end; ++i) {
                Cell* to = suffix_ + i * line_;
                for (Size c = 0; c < line_; ++c) to[c] = Op::join(to[c], behind[c]);
            }
        }
        held_ = number;
        held_from_ = from;
    }

    static constexpr Size lines = 7;  // beside suffixes and whole blocks

    Size block_, ring_size_, sources_, line_;
    Cell *suffix_, *ring_, *made_, *middle_, *result_;
    Sum prefix_, others_;
    Size begin_ = -1, end_ = -1;           // of the last window
    Size reached_ = -1, ring_begin_ = -1;  // by the cursor of ends; the first source of those whole blocks that are known
    Size held_ = -1, held_from_ = 0;
    Size between_first_ = -1, between_last_ = -1;
};

}  // namespace npconv
