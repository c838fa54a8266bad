// SPDX-License-Identifier: BSD-3-Clause
// Groups of a few channels, lane = channel: copies one channel of each group to all lanes of the group.

// Copies lane i of each group of lanes to all lanes of the group.
template <class Vec>
class GroupPicker {
  public:
    GroupPicker(std::int64_t group, std::int64_t i) : group_(static_cast<int>(group)), i_(static_cast<int>(i)) {
        if constexpr (picks) index_ = Vec::index_in_groups(group_, i_);
    }
    [[gnu::always_inline]] typename Vec::V operator()(typename Vec::V v) const {
        if constexpr (picks) {
            return Vec::pick(v, index_);
        } else {
            typename Vec::T from[Vec::lanes], to[Vec::lanes];
            Vec::store(from, v);
            for (int lane = 0; lane < Vec::lanes; ++lane) to[lane] = from[lane / group_ * group_ + i_];
            return Vec::load(to);
        }
    }

  private:
    static constexpr bool picks = requires(typename Vec::V v) { Vec::pick(v, Vec::index_in_groups(1, 0)); };
    static auto no_index() {
        if constexpr (picks) {
            return Vec::index_in_groups(1, 0);
        } else {
            return 0;
        }
    }
    int group_, i_;
    decltype(no_index()) index_{};
};

struct NoPicker {
    template <class V>
    [[gnu::always_inline]] V operator()(V v) const {
        return v;
    }
};
