# Read by CMake after every project() of llama.cpp: builds only what HyperLlama uses, sooner, and
# around a compiler's mistake. `make` passes it as CMAKE_PROJECT_INCLUDE; it changes no source.
#
# - llama.cpp's "common" library serves its command-line tools; the Python binding loads libllama alone.
# - libllama is some 180 small files that read the same headers: compiled in groups (a "unity build")
#   they take a fraction of the time. ggml's kernels define the same macros twice and stay apart.
if(PROJECT_NAME STREQUAL "llama.cpp")
  set(LLAMA_BUILD_COMMON OFF)
  set(CMAKE_UNITY_BUILD ON)
  set(CMAKE_UNITY_BUILD_BATCH_SIZE 12)
elseif(PROJECT_NAME STREQUAL "ggml")
  set(CMAKE_UNITY_BUILD OFF)
  # GCC's _tile_loadconfig tells the optimiser that it reads 8 of the 64 bytes it is given, so the rest
  # is optimised away and every quantised model crashes on processors with AMX (seen with GCC 12).
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    add_compile_options(-mno-amx-tile -mno-amx-int8 -mno-amx-bf16)
  endif()
endif()
