// SPDX-License-Identifier: BSD-3-Clause
// Every second or fourth value of a row: the phases of an input that is read with a stride.
template <class Vec>
void copy_every(const typename Vec::T* from, std::int64_t step, std::int64_t n, typename Vec::T* to) {
    constexpr int L = Vec::lanes;
    std::int64_t i = 0;
    // Whole vectors are read, and no value beyond the last that is wanted: so one more value must follow.
    if (step == 2) {
        for (; i + L < n; i += L) {
            const auto* f = from + 2 * i;
            Vec::store(to + i, Vec::even(Vec::load(f), Vec::load(f + L)));
        }
    } else if (step == 4) {
        for (; i + L < n; i += L) {
            const auto* f = from + 4 * i;
            const auto low = Vec::even(Vec::load(f), Vec::load(f + L));
            const auto high = Vec::even(Vec::load(f + 2 * L), Vec::load(f + 3 * L));
            Vec::store(to + i, Vec::even(low, high));
        }
    }
    for (; i < n; ++i) to[i] = from[i * step];
}
