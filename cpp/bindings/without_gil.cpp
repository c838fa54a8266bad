// SPDX-License-Identifier: BSD-3-Clause
#include "bindings/without_gil.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>
#if defined(__linux__)
#include <sys/syscall.h>
#endif
#if defined(__GLIBCXX__)
#include <cxxabi.h>
#endif

namespace npconv {
namespace {

[[noreturn]] void stop_for_ever() {
    for (;;) pause();
}

// What may wait for the GIL, in a thread that the interpreter may refuse to let in again because it ends. f has no references of its own:
// they would be dropped on the way here.
template <class F>
auto waiting_for_gil(const F& f) {
#if defined(__GLIBCXX__) && PY_VERSION_HEX < 0x030E0000
    try {
        return f();
    } catch (abi::__forced_unwind&) {  // pthread_exit. As long as this handler is not left nothing is unwound
        stop_for_ever();
    }
#else
    return f();
#endif
}

void restore(PyThreadState* state) {
    waiting_for_gil([state] { PyEval_RestoreThread(state); });
}

// Python runs signal handlers in the main thread only, and the others need not wait for the GIL to find that out.
bool in_main_thread() {
#if defined(__linux__)
    return syscall(SYS_gettid) == getpid();
#else
    return true;
#endif
}

}  // namespace

pybind11::object call_python(pybind11::handle function, std::initializer_list<pybind11::handle> arguments) {
    constexpr std::size_t most = 4;
    std::array<PyObject*, most> pointers{};
    if (arguments.size() > most) throw std::logic_error("a call of Python with more arguments than there is room for");
    std::transform(arguments.begin(), arguments.end(), pointers.begin(), [](pybind11::handle a) { return a.ptr(); });
    PyObject* result = waiting_for_gil([&] { return PyObject_Vectorcall(function.ptr(), pointers.data(), arguments.size(), nullptr); });
    if (!result) throw pybind11::error_already_set();
    return pybind11::reinterpret_steal<pybind11::object>(result);
}

PyObject* python_index(pybind11::handle value) {
    return waiting_for_gil([&] { return PyNumber_Index(value.ptr()); });
}
PyObject* python_tuple(pybind11::handle value) {
    return waiting_for_gil([&] { return PySequence_Tuple(value.ptr()); });
}
int python_truth(pybind11::handle value) {
    return waiting_for_gil([&] { return PyObject_IsTrue(value.ptr()); });
}

GilRelease::GilRelease() : state_(PyEval_SaveThread()), interrupt_(&GilRelease::poll, this) {}

GilRelease::~GilRelease() {
    if (state_) restore(std::exchange(state_, nullptr));
}

std::unique_ptr<pybind11::error_already_set> GilRelease::end() {
    if (state_) restore(std::exchange(state_, nullptr));
    return std::move(raised_);
}

bool GilRelease::poll(void* self) {
    auto& release = *static_cast<GilRelease*>(self);
    if (!release.asked_) release.handles_signals_ = in_main_thread();
    release.asked_ = true;
    if (!release.handles_signals_) return false;
    restore(std::exchange(release.state_, nullptr));
    if (PyErr_CheckSignals() != 0) release.raised_ = std::make_unique<pybind11::error_already_set>();
    release.state_ = PyEval_SaveThread();
    return release.raised_ != nullptr;
}

}  // namespace npconv
