# SPDX-License-Identifier: Apache-2.0
# cmake -DNVCC= -DHOST= -DARCHITECTURES=75,80 -DROOT= -DSOURCE= -DOUTPUT= -P FatBinary.cmake
# Writes OUTPUT.fatbin, OUTPUT.d and, with registers, spills and shared memory of every kernel, OUTPUT.ptxas.txt.
get_filename_component(folder ${OUTPUT} DIRECTORY)
file(MAKE_DIRECTORY ${folder})
string(REPLACE "," ";" ARCHITECTURES "${ARCHITECTURES}")
set(options)
foreach(arch IN LISTS ARCHITECTURES)
  list(APPEND options -gencode arch=compute_${arch},code=sm_${arch})
endforeach()
list(GET ARCHITECTURES -1 last)
list(APPEND options -gencode arch=compute_${last},code=compute_${last})
execute_process(
  COMMAND ${NVCC} -ccbin ${HOST} -std=c++20 -O3 -lineinfo --compress-mode=size ${options} -Xptxas -v,-warn-spills -I ${ROOT} -x cu -fatbin
          -MD -MF ${OUTPUT}.d -MT ${OUTPUT}.fatbin -o ${OUTPUT}.fatbin ${SOURCE}
  RESULT_VARIABLE result OUTPUT_VARIABLE text ERROR_VARIABLE text)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "${text}")
endif()
file(WRITE ${OUTPUT}.ptxas.txt "${text}")
