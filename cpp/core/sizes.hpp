// SPDX-License-Identifier: BSD-3-Clause
// Arithmetic of sizes that callers give. It throws std::invalid_argument if a result does not fit in 64 bits.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/shape.hpp"

namespace npconv {

[[noreturn]] inline void refuse(const std::string& message) { throw std::invalid_argument(message); }

// "(1, 2)", as Python writes a tuple.
std::string tuple_text(const std::vector<std::int64_t>& values);

// The parts of the beginning of a message. They are joined only if the message is needed.
using Words = std::initializer_list<const char*>;

[[noreturn]] void refuse_size(Words what, std::int64_t a, const char* sign, std::int64_t b);

inline std::int64_t times(std::int64_t a, std::int64_t b, Words what) {
    std::int64_t result = 0;
    if (__builtin_mul_overflow(a, b, &result)) refuse_size(what, a, " * ", b);
    return result;
}
inline std::int64_t plus(std::int64_t a, std::int64_t b, Words what) {
    std::int64_t result = 0;
    if (__builtin_add_overflow(a, b, &result)) refuse_size(what, a, " + ", b);
    return result;
}
inline std::int64_t times(std::int64_t a, std::int64_t b, const char* what) { return times(a, b, {what}); }
inline std::int64_t plus(std::int64_t a, std::int64_t b, const char* what) { return plus(a, b, {what}); }

// The caller's names of input and weights, for messages. In gradients and plans, either may be a shape instead of an array.
struct OperandNames {
    const char* x = "x";
    const char* w = "w";
    bool x_is_shape = false;
    bool w_is_shape = false;

    // "w.shape" + "[0]"
    const char* dot_shape() const { return w_is_shape ? "" : ".shape"; }
    // "x of shape (1, 2)", "input_shape (1, 2)"
    std::string x_with(const std::string& shape) const { return x + std::string(x_is_shape ? " " : " of shape ") + shape; }
    std::string w_with(const std::string& shape) const { return w + std::string(w_is_shape ? " " : " of shape ") + shape; }
};

// Refuses a kernel without taps.
void check_kernel(const std::vector<std::int64_t>& kernel, const OperandNames& names);

// Refuses values below `least`.
void at_least(const char* name, const std::vector<std::int64_t>& values, std::int64_t least);

enum class PaddingKind { given, valid, full, same, same_lower, causal };

// PaddingKind::given: one entry an axis; otherwise empty.
struct Padding {
    PaddingKind kind = PaddingKind::given;
    std::vector<std::int64_t> before;
    std::vector<std::int64_t> after;

    // output == ceil(input / stride)
    bool same() const { return kind == PaddingKind::same || kind == PaddingKind::same_lower || kind == PaddingKind::causal; }
};

// Sets the padding of an axis whose other sizes are set, and its output if the kind of padding determines it. Returns the number of
// elements from the first to the last tap: dilation * (kernel - 1) + 1.
std::int64_t pad(Axis& axis, const Padding& padding, std::size_t i);

}  // namespace npconv
