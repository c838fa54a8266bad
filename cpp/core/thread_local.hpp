// SPDX-License-Identifier: BSD-3-Clause
// thread_local for a library that is loaded at run time. By default the C library allocates the variables of such a library when a thread
// first touches one, and ends the process where there is no memory for them. These few bytes are part of each thread from its start.
#pragma once

#define NPCONV_THREAD_LOCAL [[gnu::tls_model("initial-exec")]] thread_local
