// SPDX-License-Identifier: BSD-3-Clause
// thread_local for a library that is loaded at run time. By default the C library allocates the variables of such a library when a thread
// first touches one, and ends the process if there is no memory for them. With this model, each thread has these few bytes from its start.
#pragma once

#define NPCONV_THREAD_LOCAL [[gnu::tls_model("initial-exec")]] thread_local
