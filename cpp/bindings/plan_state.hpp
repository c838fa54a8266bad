// SPDX-License-Identifier: BSD-3-Clause
// What plans of all kinds share as Python objects: how they are made, and what of them is pickled.
#pragma once
#include <optional>
#include <utility>
#include <vector>

#include "bindings/arguments.hpp"
#include "bindings/arrays.hpp"
#include "bindings/planned_shape.hpp"

namespace npconv {

// Leaves the functions of this module as the only way to an object of a class. pybind11 makes an object in two steps, __new__ and __init__,
// and its methods read memory that nobody has written if they are called in between: after __new__ alone, after an __init__ that failed, or
// by another thread while __init__ packs without the GIL. (The check of its metaclass is made after both, for classes that forget
// __init__. Our metaclass is `type`, as the stubs say.) So there is no __new__, and no __init__ that does anything; nor may an object of
// another class become one by an assignment to __class__.
inline void seal(py::handle cls) {
    auto* type = reinterpret_cast<PyTypeObject*>(cls.ptr());
    type->tp_new = nullptr;
    type->tp_flags |= Py_TPFLAGS_IMMUTABLETYPE;
    PyType_Modified(type);
}

// The function that makes one.
template <class P, class... Arguments>
P make(Arguments... arguments) {
    return P(arguments...);
}

// The weights of a plan as its caller gave them, by the names of the arguments: private copies that nobody writes to. Plans of other shapes
// share them. All members are called with the GIL, and let no other code run but for state().
class KeptWeights {
  public:
    using Named = std::pair<const char*, std::optional<py::array>>;

    KeptWeights() = default;
    explicit KeptWeights(std::vector<Named> given) : arrays_(std::move(given)) {}

    // Other weights in place of the present ones, of which those stay that are not given. The old ones are in `given` afterwards.
    void replace(std::vector<Named>& given);
    // keywords[name] = array
    void add_to(py::dict& keywords) const;

  private:
    std::vector<Named> arrays_;
};

// (function, keywords, x_shape, algorithm): the public function that makes such a plan, and what it is called with; None, or the shape that
// for_shape is called with then; None, or the algorithm that "measure" chose.
py::tuple state_of(const char* function, const py::dict& keywords, const PlannedShape& first, const PlannedShape& x,
                   const std::string& wanted, const std::string& algorithm);

}  // namespace npconv
