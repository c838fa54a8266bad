// SPDX-License-Identifier: BSD-3-Clause
// A cache of the last few dozen executions of plain calls, because a network repeats the same calls.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "plan/executions.hpp"

namespace npconv {

// The execution of a problem whose weights are packed for this call, from the cache or new. wanted: "auto" or a name; errors as of
// decide(). The cache identifies the context by its address: it must live unchanged until the process ends.
std::shared_ptr<const ConvExecution> execution_for_call(const Problem& problem, const Context& on, const std::string& wanted);

// The number of cache hits since the process started.
std::int64_t executions_found_again();

}  // namespace npconv
