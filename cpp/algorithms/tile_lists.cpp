// SPDX-License-Identifier: BSD-3-Clause
#include "algorithms/tile_lists.hpp"

#include <algorithm>

namespace npconv {
namespace {

// One block of pixels, which is listed box by box.
class BlockLists {
  public:
    BlockLists(const TileLists& lists, const GemmTiling& t, const Box& pixels, std::int64_t first_pixel, const Steps& steps)
        : lists_(lists),
          t_(t),
          pixels_(pixels),
          first_pixel_(first_pixel),
          steps_(steps),
          unit_(t.lane == Lane::pixel ? t.lanes : 1),
          row_items_(ceil_div(pixels.length(2), unit_)) {}

    std::int64_t list_pixels(const Box& box, std::int64_t item) const {
        const std::int64_t items = ceil_div(box.length(2), unit_);  // of a row
        const std::int64_t first = box.begin[2] - pixels_.begin[2];
        for (std::int64_t d = box.begin[0]; d < box.end[0]; ++d) {
            for (std::int64_t h = box.begin[1]; h < box.end[1]; ++h) {
                const std::int64_t row = (d - pixels_.begin[0]) * pixels_.length(1) + h - pixels_.begin[1];
                std::int64_t offset =
                    (d - pixels_.begin[0]) * steps_.pixel[0] + (h - pixels_.begin[1]) * steps_.pixel[1] + first * steps_.pixel[2];
                std::int64_t in_y = (d * t_.map[1] + h) * t_.map[2] + box.begin[2] - first_pixel_;
                for (std::int64_t i = item; i < item + items; ++i, offset += unit_ * steps_.pixel[2], in_y += unit_) {
                    lists_.at[i] = offset;
                    lists_.number[i] = in_y;
                }
                if (t_.lane == Lane::pixel) list_vectors(row, first, box.length(2), item);
                item += items;
            }
        }
        return item;
    }

    std::int64_t list_segments(const PixelBox& box, const KBlock& block, std::int64_t n) const {
        const std::int64_t channels = block.channels(), first = n;
        if (channels == 0) return n;
        Segment* segment = lists_.segment;
        for (std::int64_t d = box.tap_begin[0]; d < box.tap_end[0]; ++d) {
            for (std::int64_t h = box.tap_begin[1]; h < box.tap_end[1]; ++h) {
                const std::int64_t row = steps_.tap[0].offset(d - block.tap_begin[0]) + steps_.tap[1].offset(h - block.tap_begin[1]);
                std::int64_t k = block.k_of(d, h, box.tap_begin[2]);
                for (std::int64_t w = box.tap_begin[2]; w < box.tap_end[2]; ++w, k += channels) {
                    const std::int64_t offset = row + steps_.tap[2].offset(w - block.tap_begin[2]);
                    // Neighbours in memory, too: channels last.
                    const bool joined = n > first && offset == segment[n - 1].offset + segment[n - 1].length * steps_.k &&
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

  private:
    void list_vectors(std::int64_t row, std::int64_t first, std::int64_t pixels, std::int64_t item) const {
        for (std::int64_t i = 0; i * unit_ < pixels; ++i) {
            lists_.count[item + i] = std::min(unit_, pixels - i * unit_);
            lists_.slot[item + i] = row * row_items_ + first / unit_ + i;
        }
    }

    const TileLists& lists_;
    const GemmTiling& t_;
    const Box& pixels_;
    std::int64_t first_pixel_;
    const Steps& steps_;
    std::int64_t unit_, row_items_;
};

}  // namespace

std::int64_t TileLists::most_items(const GemmTiling& t) { return t.lane == Lane::pixel ? t.most_vectors_of_pixels() : t.most_pixels(); }
std::int64_t TileLists::most_groups() { return PixelBoxes::most; }
std::int64_t TileLists::most_segments(const GemmTiling& t) {
    return std::max(t.k.most_taps(), std::min(PixelBoxes::most_segments, PixelBoxes::most * t.k.most_taps()));
}

int list_boxes(const TileLists& lists, const GemmTiling& t, const Box& pixels, std::int64_t first_pixel, const PixelBoxes& boxes,
               const KBlock& block, const Steps& steps) {
    const BlockLists of_block(lists, t, pixels, first_pixel, steps);
    std::int64_t items = 0, segments = 0;
    for (int i = 0; i < boxes.count(); ++i) {
        const PixelBox box = boxes.box(i);
        TileGroup& group = lists.group[i];
        group.begin = items;
        group.end = items = of_block.list_pixels(box.pixels, items);
        group.first_segment = segments;
        segments = of_block.list_segments(box, block, segments);
        group.segments = segments - group.first_segment;
    }
    return boxes.count();
}

void list_evenly(const TileLists& lists, std::int64_t n, std::int64_t step) {
    for (std::int64_t i = 0, offset = 0; i < n; ++i, offset += step) {
        lists.at[i] = offset;
        lists.number[i] = i;
    }
}

void list_places(const TileLists& lists, const ConvShape& s, std::int64_t first_pixel, std::int64_t n,
                 const std::array<std::int64_t, 3>& strides) {
    for (std::int64_t i = 0; i < n; ++i) {
        const auto o = s.coordinates(first_pixel + i);
        lists.at[i] = o[0] * strides[0] + o[1] * strides[1] + o[2] * strides[2];
        lists.number[i] = i;
    }
}

}  // namespace npconv
