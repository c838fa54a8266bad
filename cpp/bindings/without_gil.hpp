// SPDX-License-Identifier: BSD-3-Clause
// The one place where the GIL is released: without_gil(f) runs f without it. Beyond what a plain release does,
// - Ctrl-C, or any signal whose Python handler raises, ends the call: between tasks (core/interrupt.hpp) the main thread runs the handlers,
//   and what they raise is raised here once f has returned;
// - a daemon thread that wants the GIL back while the interpreter ends stops there for ever. Python 3.13 and older would unwind its stack
//   instead, which ends the process by SIGABRT at the first function that does not throw; newer ones do the same as is done here.
//
// call_python(f, arguments) is for Python functions that may release the GIL themselves, as NumPy's copies do, or run bytecode. A daemon
// thread that does not get it back stops there, too: unwound, our stack would drop references without the GIL.
#pragma once
#include <pybind11/pybind11.h>

#include <initializer_list>
#include <memory>
#include <type_traits>

#include "core/interrupt.hpp"

namespace npconv {

class GilRelease {
  public:
    GilRelease();
    ~GilRelease();
    GilRelease(const GilRelease&) = delete;
    GilRelease& operator=(const GilRelease&) = delete;

    // What a signal handler raised; null: nothing. The GIL is held again once this has been asked.
    std::unique_ptr<pybind11::error_already_set> end();

  private:
    static bool poll(void* self);

    PyThreadState* state_;
    bool asked_ = false, handles_signals_ = false;
    std::unique_ptr<pybind11::error_already_set> raised_;
    Interrupt interrupt_;
};

template <class F>
std::invoke_result_t<F> without_gil(const F& f) {
    using Returned = std::invoke_result_t<F>;
    GilRelease released;
    const auto raise = [&released] {
        if (const auto error = released.end()) throw pybind11::error_already_set(*error);
    };
    try {
        if constexpr (std::is_void_v<Returned>) {
            f();
            raise();
        } else {
            Returned result = f();
            raise();
            return result;
        }
    } catch (const pybind11::error_already_set&) {
        throw;
    } catch (...) {
        raise();  // the signal has been handled, and would be lost
        throw;
    }
}

// The arguments are positional. error_already_set where the function raises.
pybind11::object call_python(pybind11::handle function, std::initializer_list<pybind11::handle> arguments);
// The same of the C API: int(value), tuple(value), bool(value). Null and -1 where an error is set.
PyObject* python_index(pybind11::handle value);
PyObject* python_tuple(pybind11::handle value);
int python_truth(pybind11::handle value);

}  // namespace npconv
