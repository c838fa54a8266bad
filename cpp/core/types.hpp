// SPDX-License-Identifier: BSD-3-Clause
// The small vocabulary that every folder shares: element types, layouts, borders, and a strided view of a tensor.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>

namespace npconv {

enum class DType { f32, f64 };
enum class Layout { channels_first, channels_last };
enum class Border { zeros, reflect, replicate, circular };  // padding_mode

constexpr std::int64_t size_of(DType dtype) { return dtype == DType::f32 ? 4 : 8; }
constexpr const char* name_of(DType dtype) { return dtype == DType::f32 ? "float32" : "float64"; }

// Batch, channels and three spatial axes (depth, height, width; unit axes in front where there are fewer), with strides in elements.
// The strides may be anything: negative, zero, permuted. The layout is a property of the strides, not of the view.
template <class T>
struct TensorView {
    T* data = nullptr;
    std::int64_t batch = 0;
    std::int64_t channel = 0;
    std::array<std::int64_t, 3> spatial{};
};

}  // namespace npconv
