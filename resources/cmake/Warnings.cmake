# SPDX-License-Identifier: Apache-2.0
# One interface target with our compiler options; imported libraries stay SYSTEM and are not warned about.
add_library(loupe_options INTERFACE)
target_compile_options(loupe_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast -Wnon-virtual-dtor
  -Woverloaded-virtual -Wdouble-promotion $<$<BOOL:${LOUPE_WERROR}>:-Werror>
  # Results are defined to the last bit: no contraction of a*b+c into one rounding.
  -ffp-contract=off)
target_compile_definitions(loupe_options INTERFACE _GLIBCXX_ASSERTIONS)
target_include_directories(loupe_options INTERFACE ${CMAKE_SOURCE_DIR} ${CMAKE_BINARY_DIR}/generated)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(loupe_options INTERFACE -fpch-preprocess)
endif()
