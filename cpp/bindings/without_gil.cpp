// SPDX-License-Identifier: BSD-3-Clause
#include "bindings/without_gil.hpp"

#include <unistd.h>

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

// PyEval_RestoreThread, for a thread that the interpreter may refuse to let in again because it ends.
void restore(PyThreadState* state) {
#if defined(__GLIBCXX__) && PY_VERSION_HEX < 0x030E0000
    try {
        PyEval_RestoreThread(state);
    } catch (abi::__forced_unwind&) {  // pthread_exit. As long as this handler is not left nothing is unwound
        stop_for_ever();
    }
#else
    PyEval_RestoreThread(state);
#endif
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
