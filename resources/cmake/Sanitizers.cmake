# SPDX-License-Identifier: Apache-2.0
# Build type "Sanitize": light optimisation, line tables, frame pointers; assertions stay active.
set(CMAKE_CXX_FLAGS_SANITIZE "-O1 -g1 -fno-omit-frame-pointer" CACHE STRING "" FORCE)
set(CMAKE_EXE_LINKER_FLAGS_SANITIZE "" CACHE STRING "" FORCE)
mark_as_advanced(CMAKE_CXX_FLAGS_SANITIZE CMAKE_EXE_LINKER_FLAGS_SANITIZE)
if(LOUPE_SANITIZE)
  string(REPLACE ";" "," _loupe_sanitizers "${LOUPE_SANITIZE}")
  add_compile_options(-fsanitize=${_loupe_sanitizers} -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${_loupe_sanitizers})
  add_compile_definitions(LOUPE_SANITIZED)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wno-maybe-uninitialized)  # g++ 12 under sanitizers: std::function and std::regex, falsely
  endif()
endif()
if(LOUPE_FUZZ)
  # libFuzzer is guided by the edges of instrumented code alone: the readers themselves, not only the target's own file.
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
