// SPDX-License-Identifier: BSD-3-Clause
// What this build is and what it found: for show_config, and for the choice of an instruction set.
#include <pybind11/stl.h>

#include <string>
#include <vector>

#include "bindings/context.hpp"
#include "bindings/register.hpp"
#include "core/parallel.hpp"
#include "kernels/registry.hpp"

namespace npconv {
namespace {

namespace py = pybind11;

std::vector<std::string> names(bool available_only) {
    std::vector<std::string> result;
    for (const KernelSet& set : kernel_sets()) {
        if (set.available || !available_only) result.emplace_back(set.table->isa);
    }
    return result;
}

std::string compiler() {
#if defined(__clang__)
    return "Clang " __clang_version__;
#else
    return "GCC " __VERSION__;
#endif
}

py::dict machine() {
    const Machine& m = current_context().machine;
    py::dict d;
    d["core"] = name_of(m.core);
    d["features"] = names_of_features(m);
    d["vector_registers"] = m.vector_registers;
    d["products_per_cycle"] = current_context().products_per_cycle();
    d["l1d_bytes"] = m.l1d_bytes;
    d["l2_bytes"] = m.l2_bytes;
    d["l3_bytes"] = m.l3_bytes;
    d["line_bytes"] = m.line_bytes;
    d["page_bytes"] = m.page_bytes;
    return d;
}

std::string select(const std::string& isa) {
    std::string previous = current_context().kernels->isa;
    const KernelTable& kernels = kernels_of_isa(isa);
    change_context([&](Context& on) { on.use(kernels); });
    return previous;
}

}  // namespace

void register_config(py::module_& m) {
    m.attr("__version__") = NPCONV_VERSION;
    m.attr("compiler") = compiler();
    m.attr("openmp") = _OPENMP;
    m.def("_isas_built", [] { return names(false); });
    m.def("_isa_names", [] { return names(true); });
    m.def("_isa", [] { return std::string(current_context().kernels->isa); });
    m.def("_set_isa", &select);
    m.def("_machine", &machine);
    m.def("_vector_bytes", [] { return current_context().vector_bytes(); });
}

}  // namespace npconv
