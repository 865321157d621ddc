# How every library and program of the project is compiled, in one place.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
# -fPIC for programs too (CMake would choose -fPIE), so that one precompiled header serves all.
add_compile_options(-fPIC)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

add_compile_options(-Wall -Wextra -Wshadow -Wnon-virtual-dtor)
# GCC 12 sees overlong and overlapping copies in `"literal" + std::string` (its bug 105651).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  add_compile_options(-Wno-restrict -Wno-stringop-overflow -Wno-array-bounds)
endif()
if(RETENTIVE_WERROR)
  add_compile_options(-Werror)
endif()
if(RETENTIVE_SANITIZE)
  add_compile_options(-fsanitize=${RETENTIVE_SANITIZE} -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${RETENTIVE_SANITIZE})
endif()

# LibTorch's header takes longer to read than most files to compile: it is precompiled once, for every Torch target.
add_library(retentive_torch_header OBJECT ${PROJECT_SOURCE_DIR}/cmake/torch_header.cpp)
target_link_libraries(retentive_torch_header PRIVATE torch)
target_precompile_headers(retentive_torch_header PRIVATE <torch/torch.h>)

function(retentive_use_torch target visibility)
  target_link_libraries(${target} ${visibility} torch)
  target_precompile_headers(${target} REUSE_FROM retentive_torch_header)
endfunction()

# retentive_library(NAME SOURCES a.cpp ... PUBLIC lib ... PRIVATE lib ... [TORCH])
# TORCH links LibTorch and precompiles its header; every other library never sees it.
function(retentive_library name)
  cmake_parse_arguments(arg "TORCH" "" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  set(target retentive_${name})
  add_library(${target} SHARED ${arg_SOURCES})
  add_library(retentive::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name} VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR} INSTALL_RPATH "$ORIGIN")
  target_include_directories(${target} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/retentive>)
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_link_libraries(${target} PUBLIC ${arg_PUBLIC} PRIVATE ${arg_PRIVATE})
  if(arg_TORCH)
    retentive_use_torch(${target} PUBLIC)
  endif()
  set_property(GLOBAL APPEND PROPERTY RETENTIVE_LIBRARIES ${target})
endfunction()

# retentive_program(NAME SOURCES a.cpp ... LIBRARIES lib ... [TORCH])
function(retentive_program name)
  cmake_parse_arguments(arg "TORCH" "" "SOURCES;LIBRARIES" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE ${arg_LIBRARIES})
  set_target_properties(${name} PROPERTIES INSTALL_RPATH "$ORIGIN/../${CMAKE_INSTALL_LIBDIR}")
  if(arg_TORCH)
    retentive_use_torch(${name} PRIVATE)
  endif()
endfunction()

# What parallel loops run on (retention/base/parallel_for.h).
add_library(retentive_parallel INTERFACE)
if(RETENTIVE_PARALLEL STREQUAL "openmp")
  target_link_libraries(retentive_parallel INTERFACE OpenMP::OpenMP_CXX)
elseif(RETENTIVE_PARALLEL STREQUAL "std_thread")
  target_compile_definitions(retentive_parallel INTERFACE RETENTIVE_STD_THREAD)
  target_link_libraries(retentive_parallel INTERFACE Threads::Threads)
else()
  message(FATAL_ERROR "RETENTIVE_PARALLEL is \"${RETENTIVE_PARALLEL}\"; openmp or std_thread is accepted.")
endif()

set(retentive_flags_avx2 -mavx2 -mfma -mf16c)
set(retentive_flags_avx512 ${retentive_flags_avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni
    -mprefer-vector-width=512)
set(retentive_flags_avx512_bf16 ${retentive_flags_avx512} -mavx512bf16)

# retentive_isa_sources(LIBRARY a_isa.cpp ...)
# Compiles the sources once for each instruction set, into the namespace RETENTIVE_KERNEL_ISA.
function(retentive_isa_sources library)
  foreach(isa avx2 avx512 avx512_bf16)
    set(target retentive_${library}_${isa})
    add_library(${target} OBJECT ${ARGN})
    target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR})
    target_compile_features(${target} PRIVATE cxx_std_20)
    # Contraction and reassociation stay off: what the source says is what every instruction set computes.
    # GCC 12 takes the undefined lanes inside its own AVX-512 intrinsics for uninitialised variables.
    target_compile_options(${target} PRIVATE ${retentive_flags_${isa}} -O3 -ffp-contract=off
      $<$<CXX_COMPILER_ID:GNU>:-Wno-uninitialized -Wno-maybe-uninitialized>)
    target_compile_definitions(${target} PRIVATE RETENTIVE_KERNEL_ISA=${isa})
    target_sources(retentive_${library} PRIVATE $<TARGET_OBJECTS:${target}>)
  endforeach()
endfunction()
