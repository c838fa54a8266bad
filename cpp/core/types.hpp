// SPDX-License-Identifier: BSD-3-Clause
// Basic types that every folder shares: element types, layouts, borders, and a strided view of a tensor.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "core/dtype.hpp"

namespace npconv {

enum class Layout { channels_first, channels_last };
enum class Border { zeros, reflect, replicate, circular };  // padding_mode

// Calls f with a value of the element type of `dtype`.
template <class F>
constexpr decltype(auto) with_type(DType dtype, F&& f) {
    switch (dtype) {
        case DType::f32: return f(float{});
        case DType::f64: break;
        case DType::i8: return f(std::int8_t{});
        case DType::u8: return f(std::uint8_t{});
        case DType::i16: return f(std::int16_t{});
        case DType::i32: return f(std::int32_t{});
        case DType::i64: return f(std::int64_t{});
    }
    return f(double{});
}

// The same if dtype is float32 or float64.
template <class F>
constexpr decltype(auto) with_real(DType dtype, F&& f) {
    return dtype == DType::f32 ? f(float{}) : f(double{});
}

template <class T>
constexpr DType dtype_of_type() {
    if constexpr (std::is_same_v<T, float>) return DType::f32;
    if constexpr (std::is_same_v<T, double>) return DType::f64;
    if constexpr (std::is_same_v<T, std::int8_t>) return DType::i8;
    if constexpr (std::is_same_v<T, std::uint8_t>) return DType::u8;
    if constexpr (std::is_same_v<T, std::int16_t>) return DType::i16;
    if constexpr (std::is_same_v<T, std::int32_t>) return DType::i32;
    if constexpr (std::is_same_v<T, std::int64_t>) return DType::i64;
}

constexpr std::int64_t size_of(DType dtype) {
    return with_type(dtype, [](auto t) { return static_cast<std::int64_t>(sizeof t); });
}
constexpr const char* name_of(DType dtype) {
    constexpr const char* names[] = {"float32", "float64", "int8", "uint8", "int16", "int32", "int64"};
    return names[static_cast<int>(dtype)];
}
constexpr bool is_real(DType dtype) { return dtype == DType::f32 || dtype == DType::f64; }

// Batch, channels and three spatial axes (depth, height, width; unit axes in front where there are fewer), with strides in elements.
// The strides may be anything: negative, zero, permuted. The layout is a property of the strides, not of the view.
template <class T>
struct TensorView {
    T* data = nullptr;
    std::int64_t batch = 0;
    std::int64_t channel = 0;
    std::array<std::int64_t, 3> spatial{};
};

// A view without an element type: the caller knows it. Strides still count elements.
using AnyView = TensorView<const void>;

template <class T>
TensorView<const T> typed(const AnyView& view) {
    return {static_cast<const T*>(view.data), view.batch, view.channel, view.spatial};
}
template <class T>
AnyView untyped(const TensorView<T>& view) {
    return {view.data, view.batch, view.channel, view.spatial};
}

// The address `elements` elements after `data`.
inline const void* moved(const void* data, std::int64_t elements, DType dtype) {
    return static_cast<const std::byte*>(data) + elements * size_of(dtype);
}
inline void* moved(void* data, std::int64_t elements, DType dtype) { return static_cast<std::byte*>(data) + elements * size_of(dtype); }

}  // namespace npconv
