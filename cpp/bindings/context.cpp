// SPDX-License-Identifier: BSD-3-Clause
#include "bindings/context.hpp"

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "kernels/registry.hpp"

namespace npconv {
namespace {

// All that have been in use, each once. Never destroyed: plans, and a daemon thread while the process exits, refer to them.
struct Contexts {
    std::mutex mutex;
    std::vector<std::unique_ptr<const Context>> all;
    std::atomic<const Context*> current;

    Contexts() { use({this_machine(), best_kernels()}); }
    void use(const Context& wanted) {
        const auto same = [&](const auto& known) { return *known == wanted; };
        auto found = std::find_if(all.begin(), all.end(), same);
        if (found == all.end()) found = all.insert(all.end(), std::make_unique<const Context>(wanted));
        current = found->get();
    }
};

Contexts& contexts() {
    static auto& made = *new Contexts;
    return made;
}

}  // namespace

const Context& current_context() { return *contexts().current; }

void change_context(const std::function<void(Context&)>& change) {
    Contexts& c = contexts();
    const std::lock_guard lock(c.mutex);
    Context wanted = *c.current;
    change(wanted);
    c.use(wanted);
}

}  // namespace npconv
