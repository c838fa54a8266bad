# SPDX-License-Identifier: BSD-3-Clause
# cmake -DNM=nm -DOBJECTS="a.o|b.o" -P check_kernel_symbols.cmake
# Fails if an object defines a global or weak symbol other than one table npconv::*kernels_*: the linker keeps a single copy of an inline
# function, and it may be the one compiled for an instruction set that the machine lacks.
string(REPLACE "|" ";" objects "${OBJECTS}")
if(NOT objects)
  message(FATAL_ERROR "no kernel objects to check")
endif()
foreach(object IN LISTS objects)
  execute_process(COMMAND ${NM} --defined-only --extern-only ${object} OUTPUT_VARIABLE symbols RESULT_VARIABLE status)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${NM} cannot read ${object}")
  endif()
  string(STRIP "${symbols}" symbols)
  string(REPLACE "\n" ";" lines "${symbols}")
  list(LENGTH lines count)
  if(NOT count EQUAL 1 OR NOT lines MATCHES "^[0-9a-f]+ [DR] _?_ZN6npconv[0-9]+([a-z0-9_]+_)?kernels_[a-z0-9]+E$")
    message(FATAL_ERROR "${object} must define its kernel table and nothing else, but defines:\n${symbols}")
  endif()
endforeach()
