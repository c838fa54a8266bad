// SPDX-License-Identifier: BSD-3-Clause
#include "bindings/plan_state.hpp"

#include <cstddef>
#include <string>

namespace npconv {

void KeptWeights::replace(std::vector<Named>& given) {
    for (std::size_t i = 0; i < given.size(); ++i) {
        if (!given[i].second) given[i].second = arrays_[i].second;
    }
    arrays_.swap(given);
}

void KeptWeights::add_to(py::dict& keywords) const {
    const std::vector<Named> all = arrays_;  // of one update
    for (const auto& [name, array] : all) keywords[name] = array ? py::object(*array) : py::object(py::none());
}

py::tuple state_of(const char* function, const py::dict& keywords, const PlannedShape& first, const PlannedShape& x,
                   const std::string& wanted, const std::string& algorithm) {
    keywords["x_shape"] = first.with_free_batch(first.sizes);
    const bool same = first.sizes == x.sizes && first.free_batch == x.free_batch;
    return py::make_tuple(function, keywords, same ? py::object(py::none()) : py::object(x.with_free_batch(x.sizes)),
                          wanted == "measure" ? py::object(py::str(algorithm)) : py::object(py::none()));
}

}  // namespace npconv
