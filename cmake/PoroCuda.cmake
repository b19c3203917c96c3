# The CUDA part is built wherever an nvcc that knows C++20 is found: on PATH, in CUDACXX, or under /usr/local/cuda.
find_program(PORO_NVCC nvcc HINTS ENV CUDACXX PATHS /usr/local/cuda/bin)
set(PORO_CUDA_DEFAULT OFF)
if(PORO_NVCC)
  execute_process(COMMAND ${PORO_NVCC} --version OUTPUT_VARIABLE nvcc_version ERROR_QUIET)
  string(REGEX MATCH "release ([0-9]+\\.[0-9]+)" nvcc_version "${nvcc_version}")
  set(nvcc_version "${CMAKE_MATCH_1}")
  if(nvcc_version VERSION_GREATER_EQUAL 12.0)
    set(PORO_CUDA_DEFAULT ON)
  else()
    message(STATUS "CUDA is left out: ${PORO_NVCC} is version ${nvcc_version}, C++20 needs 12.0")
  endif()
endif()
option(PORO_CUDA "Build the CUDA backend" ${PORO_CUDA_DEFAULT})
if(PORO_CUDA)
  if(NOT PORO_NVCC)
    message(FATAL_ERROR "PORO_CUDA is on, but nvcc was not found on PATH or under /usr/local/cuda; "
                        "install the CUDA toolkit or configure with -DPORO_CUDA=OFF")
  endif()
  set(CMAKE_CUDA_COMPILER ${PORO_NVCC})
  if(NOT CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 80-real 90a-real)
    if(nvcc_version VERSION_GREATER_EQUAL 12.8)
      list(APPEND CMAKE_CUDA_ARCHITECTURES 100-real)
    endif()
  endif()
  enable_language(CUDA)
  find_package(CUDAToolkit REQUIRED)
  find_library(PORO_NCCL nccl HINTS ${CUDAToolkit_LIBRARY_DIR} REQUIRED)  # Comes with the GPU's other libraries.
  set(PORO_CUDA_LIBRARIES CUDA::cudart_static CUDA::cublasLt ${PORO_NCCL})
  # CMake 3.25 does not know that this nvcc speaks C++20.
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
  # fmt 9 believes that nvcc has no constexpr, and then fails to compile for that.
  add_compile_options($<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr> $<$<COMPILE_LANGUAGE:CUDA>:-DFMT_USE_CONSTEXPR=1>
                      $<$<COMPILE_LANGUAGE:CUDA>:--Werror=all-warnings>
                      # What only one architecture's kernels call is unused in the others' passes over the same file.
                      $<$<COMPILE_LANGUAGE:CUDA>:--diag-suppress=177>
                      $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra,-Werror>)
endif()
