// SPDX-License-Identifier: BSD-3-Clause
// Plain calls plan anew each time, and those of a network come again and again: the last few dozen executions are kept.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "plan/executions.hpp"

namespace npconv {

// Of a problem whose weights are packed for this call, remembered or not. wanted: "auto" or a name; errors are decide()'s.
// The context is remembered by its address: it lives, unchanged, as long as the process.
std::shared_ptr<const ConvExecution> execution_for_call(const Problem& problem, const Context& on, const std::string& wanted);

// How often an execution was found again, since the start.
std::int64_t executions_found_again();

}  // namespace npconv
