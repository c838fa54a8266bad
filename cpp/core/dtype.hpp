// SPDX-License-Identifier: BSD-3-Clause
// The element types. Plain data only: kernels see this header, too (kernels/table.hpp).
#pragma once

namespace npconv {

enum class DType { f32, f64, i8, u8, i16, i32, i64 };

}  // namespace npconv
