// SPDX-License-Identifier: BSD-3-Clause
// The tasks of a pooling of long windows, which follow from its shape alone: a plane (channels last: some channels of an image), a class of
// each axis (long_axes.hpp), a tile of the inner axes and a part of the outer one.
#pragma once
#include <array>
#include <cstdint>

#include "algorithms/long_axes.hpp"
#include "algorithms/pooling.hpp"
#include "core/parallel.hpp"
#include "core/split.hpp"
#include "core/workspace.hpp"

namespace npconv {

struct LongTask {
    std::int64_t image = 0, channel = 0, lanes = 1;
    bool lanes_are_channels = false;
    std::array<ClassOfAxis, 3> axis{};
    std::size_t outer = 2, a = 0, b = 1;
    Part part, tile_a, tile_b;  // of results; spread: of inputs

    // Lane l of number m of an axis.
    std::int64_t at(std::size_t i, const Numbers& n, std::int64_t m, std::int64_t l) const {
        return n.at(m, i == outer && !lanes_are_channels ? l : 0);
    }
    std::int64_t channel_of(std::int64_t l) const { return channel + (lanes_are_channels ? l : 0); }
};

class LongTasks {
  public:
    using Size = std::int64_t;
    static constexpr Size most_bytes = 5'500'000, most_lanes = 64, enough = 64;

    // cells(lanes, results of the inner axes): the memory of a task, in bytes.
    template <class Bytes>
    LongTasks(const PoolShape& shape, Layout layout, bool spread, const Bytes& bytes_of) : shape_(shape), spread_(spread) {
        last_ = layout == Layout::channels_last && shape.channels > 1;
        for (std::size_t i = 0; i < 3; ++i) {
            if (span(i) > span(outer_) || (i == 2 && span(i) == span(outer_))) outer_ = i;
        }
        a_ = outer_ == 0 ? 1 : 0;
        b_ = outer_ == 2 ? 1 : 2;
        lanes_ = std::min(most_lanes, last_ ? shape.channels : classes_of(shape.axis[outer_]));
        for (std::size_t i = 0; i < 3; ++i) tile_[i] = longest_class(i);
        const auto over = [&] {
            bytes_ = bytes_of(largest(a_), largest(b_), largest(outer_), tile_[a_], tile_[b_], lanes_);
            return bytes_ > most_bytes;
        };
        while (over()) {
            if (lanes_ > 8 || (lanes_ > 1 && tile_[a_] == 1 && tile_[b_] == 1))
                lanes_ = ceil_div(lanes_, 2);
            else if (tile_[a_] > tile_[b_])
                tile_[a_] = ceil_div(tile_[a_], 2);
            else if (tile_[b_] > 1)
                tile_[b_] = ceil_div(tile_[b_], 2);
            else
                break;
        }
        for (std::size_t i = 0; i < 3; ++i) {
            const Size classes = classes_of(shape.axis[i]);
            groups_[i] = i == outer_ && !last_ ? split_by(classes, lanes_) : EvenSplit(classes, classes);
        }
        channels_ = last_ ? split_by(shape.channels, lanes_) : EvenSplit(shape.channels, shape.channels);
        tiles_[0] = split_by(longest_class(a_), tile_[a_]);
        tiles_[1] = split_by(longest_class(b_), tile_[b_]);
        const Ranges r = ranges(largest(outer_));
        const Size before = count(), shared = std::max<Size>({4 * r.longest() / r.step(), spread_ ? 4 * largest(outer_).kernel : 0, 1024});
        const Size wanted = std::clamp<Size>(r.results / shared, 1, std::max<Size>(enough / before, 1));
        parts_ = EvenSplit(r.results, wanted);
    }

    bool fits() const { return bytes_ <= most_bytes; }
    Size bytes() const { return Workspace<1>::rounded(bytes_); }
    // Threads that have a task, and so memory.
    int slots(int threads) const {
        return slots_of(count(), std::max(shape_.inputs(), shape_.outputs()) * shape_.planes() < (32 << 10) ? 1 : threads);
    }

    // body(task, memory) in parallel.
    template <class Body>
    void each(int threads, const Body& body) const {
        const Size tasks = count();
        const int used = slots(threads);
        const Workspace<1> workspace({bytes_}, used);
        parallel_for(tasks, used, [&](Size number, int slot) {
            const auto next = [&number](Size n) {
                const Size i = number % n;
                number /= n;
                return i;
            };
            const auto part_of = [](const EvenSplit& split, Size i, Size n) {
                return Part{std::min(split.begin(i), n), std::min(split.begin(i + 1), n)};
            };
            LongTask t;
            t.outer = outer_;
            t.a = a_;
            t.b = b_;
            t.lanes_are_channels = last_;
            const Size part = next(parts_.parts), tile_b = next(tiles_[1].parts), tile_a = next(tiles_[0].parts);
            std::array<Size, 3> group{};
            for (std::size_t i = 0; i < 3; ++i) group[i] = next(groups_[i].parts);
            const Size channels = next(channels_.parts);
            t.image = number;
            t.channel = channels_.begin(channels);
            for (const std::size_t i : {a_, b_}) t.axis[i] = class_of(shape_.axis[i], group[i], 1);
            t.tile_a = part_of(tiles_[0], tile_a, ranges(t.axis[a_]).results);
            t.tile_b = part_of(tiles_[1], tile_b, ranges(t.axis[b_]).results);
            const Size end = groups_[outer_].begin(group[outer_] + 1);
            for (Size c = groups_[outer_].begin(group[outer_]); c < end; c += t.axis[outer_].lanes) {
                t.axis[outer_] = class_of(shape_.axis[outer_], c, last_ ? 1 : end - c);
                t.lanes = last_ ? channels_.length(channels) : t.axis[outer_].lanes;
                t.part = part_of(parts_, part, ranges(t.axis[outer_]).results);
                if (t.part.length() > 0 && t.tile_a.length() > 0 && t.tile_b.length() > 0) body(t, workspace.template get<char>(slot, 0));
            }
        });
    }

    Ranges ranges(const ClassOfAxis& c) const { return spread_ ? c.backward() : c.forward(); }

  private:
    Size span(std::size_t i) const { return (shape_.axis[i].kernel - 1) * shape_.axis[i].dilation; }
    // The class of an axis that none exceeds in any size.
    ClassOfAxis largest(std::size_t i) const {
        const Axis& a = shape_.axis[i];
        ClassOfAxis c = class_of(a, 0, 1);
        c.input = ceil_div(a.input, a.dilation);
        c.output = ceil_div(a.output, classes_of(a));
        return c;
    }
    Size longest_class(std::size_t i) const { return ranges(largest(i)).results; }
    Size count() const {
        return shape_.batch * channels_.parts * groups_[0].parts * groups_[1].parts * groups_[2].parts * tiles_[0].parts * tiles_[1].parts *
               parts_.parts;
    }

    PoolShape shape_;
    bool spread_, last_ = false;
    std::size_t outer_ = 0, a_ = 0, b_ = 1;
    Size lanes_ = 1, bytes_ = 0;
    std::array<Size, 3> tile_{};
    std::array<EvenSplit, 3> groups_;
    EvenSplit channels_, tiles_[2], parts_{1, 1};
};

}  // namespace npconv
