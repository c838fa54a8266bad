// SPDX-License-Identifier: BSD-3-Clause
// npconv._core: the whole of it at a glance.
#include "bindings/register.hpp"

PYBIND11_MODULE(_core, m) {
    m.doc() = "The compiled core of npconv. Private: use the npconv package.";
    npconv::register_conv(m);
    npconv::register_separable(m);
    npconv::register_transposed(m);
    npconv::register_conv_gradients(m);
    npconv::register_pool(m);
    npconv::register_pool_gradients(m);
    npconv::register_threads(m);
    npconv::register_config(m);
    npconv::register_testing(m);
}
