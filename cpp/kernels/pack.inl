// SPDX-License-Identifier: BSD-3-Clause
// Packing of weights: a few rows (output channels) of contiguous values become columns of a panel, by transposing blocks in registers.
// Returns the largest magnitude, NaN if a value is.
template <class Vec>
typename Vec::T pack_vectors(const PackedRows<typename Vec::T>& p) {
    using T = typename Vec::T;
    using V = typename Vec::V;
    constexpr int L = Vec::lanes;
    V largest = Vec::zero();
    for (std::int64_t k = 0; k < p.columns; k += L) {
        const int columns = p.columns - k < L ? static_cast<int>(p.columns - k) : L;
        V block[L];
        for (int r = 0; r < L; ++r) {
            const T* row = p.from + r * p.from_stride + k;
            block[r] = r >= p.rows ? Vec::zero() : columns == L ? Vec::load(row) : Vec::load_n(row, columns);
        }
        for (const V& row : block) largest = larger_magnitude<Vec>(largest, row);
        Vec::transpose(block);  // now block[i] holds column k + i of all rows
        for (int i = 0; i < columns; ++i) {
            T* to = p.to + p.place[k + i] * p.to_stride;
            if (p.width == L) {
                Vec::store(to, block[i]);
            } else {
                Vec::store_n(to, block[i], static_cast<int>(p.width));
            }
        }
    }
    T lanes[L];
    Vec::store(lanes, largest);
    T most = 0;
    for (const T lane : lanes) {
        if (!(lane <= most)) most = lane;  // also true for NaN, which ends the loop
        if (most != most) break;
    }
    return most;
}
