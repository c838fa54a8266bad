// SPDX-License-Identifier: BSD-3-Clause
// The TypeErrors on dtypes: what was expected, what came, and an expression that mends it.
#pragma once
#include <pybind11/numpy.h>

#include <span>

#include "core/types.hpp"

namespace npconv {

// The dtypes that an argument may have: float32 and float64; these and the integers of max pooling; int64 alone.
enum class Accepted { reals, numbers, places };

std::span<const DType> accepted_dtypes(Accepted accepted);
const char* list_of(Accepted accepted);  // in words

[[noreturn]] void refuse_dtype(const pybind11::array& array, const char* name, Accepted accepted);

// Not the dtype of `of`, another argument or "the plan".
[[noreturn]] void refuse_other_dtype(const pybind11::array& array, const char* name, DType dtype, const char* of);

}  // namespace npconv
