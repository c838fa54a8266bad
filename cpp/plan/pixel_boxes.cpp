// SPDX-License-Identifier: BSD-3-Clause
#include "plan/pixel_boxes.hpp"

#include <algorithm>

#include "core/border.hpp"

namespace npconv {
namespace {

void set_whole(AxisRuns& runs, std::int64_t begin, std::int64_t end, Inside taps, bool outside) {
    runs.count = 1;
    runs.begin[0] = begin;
    runs.begin[1] = end;
    runs.tap_begin[0] = taps.begin;
    runs.tap_end[0] = taps.end;
    runs.outside = outside;
}

// Cut wherever the taps change; in one piece where that makes too many runs.
void set_cut(AxisRuns& runs, const Axis& a, std::int64_t begin, std::int64_t end, Inside all) {
    runs.count = 0;
    runs.outside = false;
    // The pixels that find all taps inside, of which there may be many, are one run.
    const Inside from_first = inside(a.at(0, all.begin), a.stride, a.input, begin, end);
    const Inside whole = inside(a.at(0, all.end - 1), a.stride, a.input, from_first.begin, from_first.end);
    for (std::int64_t o = begin; o < end; ++o) {
        if (o > whole.begin && o < whole.end) o = whole.end;
        if (o == end) break;
        const Inside taps = inside(a.at(o, 0), a.dilation, a.input, all.begin, all.end);
        const auto last = static_cast<std::size_t>(runs.count);
        if (runs.count > 0 && taps == Inside{runs.tap_begin[last - 1], runs.tap_end[last - 1]}) continue;
        if (runs.count == AxisRuns::most) return set_whole(runs, begin, end, all, true);
        runs.begin[last] = o;
        runs.tap_begin[last] = taps.begin;
        runs.tap_end[last] = taps.end;
        ++runs.count;
    }
    runs.begin[static_cast<std::size_t>(runs.count)] = end;
}

// In units of a pixel and tap.
double work(const PixelBoxes& boxes, const TileRows& rows) {
    double sum = 0.0;
    for (int i = 0; i < boxes.count(); ++i) {
        const PixelBox b = boxes.box(i);
        const std::int64_t n = b.pixels.pixels();
        sum += static_cast<double>(b.taps()) * std::max(static_cast<double>(n), static_cast<double>(rows.least * ceil_div(n, rows.most)));
    }
    return sum;
}

bool too_many(const PixelBoxes& boxes, std::int64_t taps) {
    return boxes.count() > PixelBoxes::most || (boxes.count() > 1 && boxes.count() * taps > PixelBoxes::most_segments);
}

}  // namespace

PixelBox PixelBoxes::box(int i) const {
    PixelBox b;
    for (std::size_t a = 3; a-- > 0;) {
        const auto run = static_cast<std::size_t>(i % runs[a].count);
        b.pixels.begin[a] = runs[a].begin[run];
        b.pixels.end[a] = runs[a].begin[run + 1];
        b.tap_begin[a] = runs[a].tap_begin[run];
        b.tap_end[a] = runs[a].tap_end[run];
        i /= runs[a].count;
    }
    return b;
}

PixelBoxes uncut(const Box& pixels) {
    PixelBoxes boxes;
    for (std::size_t a = 0; a < 3; ++a) set_whole(boxes.runs[a], pixels.begin[a], pixels.end[a], {0, 1}, false);
    return boxes;
}

PixelBoxes cut_by_taps(const ConvShape& s, const Box& pixels, const KBlock& k, std::array<bool, 3> may_cut, const TileRows& rows) {
    PixelBoxes whole;
    unsigned choice = 0;  // bit a: axis a may be cut, and cutting it changes something
    for (std::size_t a = 0; a < 3; ++a) {
        const Axis& axis = s.axis[a];
        const Inside all{k.tap_begin[a], k.tap_end[a]};
        const bool outside = axis.at(pixels.begin[a], all.begin) < 0 || axis.at(pixels.end[a] - 1, all.end - 1) >= axis.input;
        set_whole(whole.runs[a], pixels.begin[a], pixels.end[a], all, outside);
        whole.outside = whole.outside || outside;
        if (outside && may_cut[a]) choice |= 1U << a;
    }
    if (choice == 0) return whole;

    std::array<AxisRuns, 3> cuts;
    for (std::size_t a = 0; a < 3; ++a) {
        if ((choice >> a & 1U) != 0) set_cut(cuts[a], s.axis[a], pixels.begin[a], pixels.end[a], {k.tap_begin[a], k.tap_end[a]});
    }
    const auto cut_as = [&](unsigned chosen) {
        PixelBoxes boxes;
        for (std::size_t a = 0; a < 3; ++a) {
            boxes.runs[a] = (chosen >> a & 1U) != 0 ? cuts[a] : whole.runs[a];
            boxes.outside = boxes.outside || boxes.runs[a].outside;
        }
        return boxes;
    };
    constexpr double padded_copy = 1.02;  // what it costs beside the work
    unsigned best = 0;
    double least = work(whole, rows) * (whole.outside ? padded_copy : 1.0);
    for (unsigned chosen = 1; chosen < 8; ++chosen) {
        if ((chosen & ~choice) != 0) continue;
        const PixelBoxes boxes = cut_as(chosen);
        if (too_many(boxes, k.taps())) continue;
        if (const double cost = work(boxes, rows) * (boxes.outside ? padded_copy : 1.0); cost < least) {
            least = cost;
            best = chosen;
        }
    }
    return best == 0 ? whole : cut_as(best);
}

}  // namespace npconv
