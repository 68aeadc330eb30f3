# SPDX-License-Identifier: Apache-2.0
# ccache where there is one. Precompiled headers need the sloppiness given here; base_dir lets several checkouts share results.
find_program(LOUPE_CCACHE ccache)
if(LOUPE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${LOUPE_CCACHE})
endif()
