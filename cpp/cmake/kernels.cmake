# SPDX-License-Identifier: BSD-3-Clause
# One object library for each instruction set, with flags of its own. What must not happen is that a function compiled for AVX-512 is called on
# a machine without it: kernels live in anonymous namespaces, include no library code, are never merged by link-time optimisation, and the
# build stops if such an object defines any symbol but its one table (check_kernel_symbols.cmake).
string(TOLOWER "${CMAKE_SYSTEM_PROCESSOR}" processor)
if(processor MATCHES "x86_64|amd64")
  set(NPCONV_ISAS baseline avx2 avx512)
elseif(processor MATCHES "aarch64|arm64")
  set(NPCONV_ISAS neon)
else()
  message(FATAL_ERROR "npconv has kernels for x86-64 and 64-bit ARM, not for ${CMAKE_SYSTEM_PROCESSOR}")
endif()
# -mtune: GCC's generic tuning keeps pointers in vector registers where others run out. Such a pointer comes back through the same queue as
# the multiplications: a register tile of 8 x 2 vectors lost 40 cycles that way.
set(flags_baseline "")
set(flags_avx2 -mavx2 -mfma -mtune=haswell)
set(flags_avx512 -mavx512f -mavx512dq -mavx512bw -mavx512vl -mavx2 -mfma -mprefer-vector-width=512 -mtune=skylake-avx512)
set(flags_neon "")
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  foreach(isa IN ITEMS baseline avx2 avx512 neon)
    list(APPEND flags_${isa} -fno-tree-loop-distribute-patterns)  # no calls of memset and memcpy for rows of a few vectors
  endforeach()
  list(APPEND flags_avx512 -Wno-maybe-uninitialized -Wno-uninitialized)  # GCC's own header: _mm512_undefined_ps, GCC bug 105593
endif()

# With -O3 these kernels are 1.8 times as large and take twice as long to compile, but run hardly faster. Those of narrow integers do run
# faster (uint8: up to 2.7 times, on a Xeon of 2.5 GHz with AVX-512).
set_source_files_properties(cpp/kernels/pool_f64.cpp cpp/kernels/pool_i32.cpp cpp/kernels/pool_i64.cpp
  PROPERTIES COMPILE_OPTIONS "${NPCONV_O2}")

set(NPCONV_KERNEL_OBJECTS)
foreach(isa IN LISTS NPCONV_ISAS)
  add_library(npconv_kernels_${isa} OBJECT
    cpp/kernels/depthwise.cpp
    cpp/kernels/direct.cpp
    cpp/kernels/gemm.cpp
    cpp/kernels/pool.cpp
    cpp/kernels/pool_f32.cpp
    cpp/kernels/pool_f64.cpp
    cpp/kernels/pool_i16.cpp
    cpp/kernels/pool_i32.cpp
    cpp/kernels/pool_i64.cpp
    cpp/kernels/pool_i8.cpp
    cpp/kernels/pool_u8.cpp
    cpp/kernels/winograd.cpp)
  target_compile_definitions(npconv_kernels_${isa} PRIVATE NPCONV_ISA=${isa} NPCONV_SIMD="simd/${isa}.hpp")
  target_link_libraries(npconv_kernels_${isa} PRIVATE npconv_flags)
  target_compile_options(npconv_kernels_${isa} PRIVATE ${flags_${isa}} -fno-lto)
  list(APPEND NPCONV_KERNEL_OBJECTS $<TARGET_OBJECTS:npconv_kernels_${isa}>)
endforeach()

if(NOT CMAKE_NM)
  message(FATAL_ERROR "npconv's build needs nm, which comes with the compiler's binutils")
endif()
if(NOT NPCONV_SANITIZE)
  set(stamp ${CMAKE_CURRENT_BINARY_DIR}/kernel_symbols.stamp)
  add_custom_command(OUTPUT ${stamp}
    COMMAND ${CMAKE_COMMAND} -DNM=${CMAKE_NM} "-DOBJECTS=$<JOIN:${NPCONV_KERNEL_OBJECTS},|>" -P ${CMAKE_CURRENT_SOURCE_DIR}/cpp/cmake/check_kernel_symbols.cmake
    COMMAND ${CMAKE_COMMAND} -E touch ${stamp}
    DEPENDS ${NPCONV_KERNEL_OBJECTS} ${CMAKE_CURRENT_SOURCE_DIR}/cpp/cmake/check_kernel_symbols.cmake
    COMMENT "Checking that kernel objects define nothing but their table" VERBATIM)
  add_custom_target(npconv_kernel_symbols ALL DEPENDS ${stamp})
endif()
