// SPDX-License-Identifier: BSD-3-Clause
// What this process plans on: its core and the kernels in use, which tests let be others.
#pragma once
#include <functional>

#include "plan/context.hpp"

namespace npconv {

// For what is planned from now on. It lives as long as the process, whatever is in use later.
const Context& current_context();
void change_context(const std::function<void(Context&)>& change);

}  // namespace npconv
