# One target a folder.
#
#   treble_module(NAME [COLD] [PUBLIC lib…] [PRIVATE lib…] [SUBDIRS dir…])
#
# makes the static library treble_NAME of every .cc of the calling folder (and SUBDIRS), and, when tests are built,
# one program treble_NAME_test of every x_test.cc. COLD: no kernels in it, so -O2 for Release, which compiles
# faster. tools/check_includes.py holds the includes to the same table (tools/folders.toml).

add_library(treble_options INTERFACE)
target_include_directories(treble_options INTERFACE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
target_compile_features(treble_options INTERFACE cxx_std_20)
target_compile_options(treble_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast
  $<$<BOOL:${TREBLE_WARNINGS_AS_ERRORS}>:-Werror>
  # libstdc++ 12's own stable_sort calls what it has deprecated; clang says so at every use.
  $<$<CXX_COMPILER_ID:Clang>:-Wno-error=deprecated-declarations>)

# treble_precompile(TARGET FROM): TARGET takes the precompiled header of FROM, which is compiled with the same options.
function(treble_precompile target from)
  if(TREBLE_PRECOMPILED_HEADERS)
    target_precompile_headers(${target} REUSE_FROM ${from})
  endif()
endfunction()

# treble_unity(TARGET): TARGET's files are compiled several at a time (TREBLE_UNITY_BUILD). Small enough batches that two
# processors share a folder.
function(treble_unity target)
  if(TREBLE_UNITY_BUILD)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 12)
    # A class of one .cc may hold another of its anonymous namespace; GCC takes the .cc for a header here. It still warns
    # of real headers wherever files are compiled alone.
    target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
  endif()
endfunction()

# The headers that most files include: one precompiled header for the library's folders, one for test programs (which are
# compiled with -fPIE where the others have -fPIC). Each saves a quarter to a half of what a file takes.
if(TREBLE_PRECOMPILED_HEADERS)
  set(common_headers <algorithm> <cstdint> <filesystem> <functional> <map> <memory> <optional> <span> <string> <string_view>
    <vector> <fmt/format.h> <fmt/ranges.h> <nlohmann/json.hpp>)
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/precompiled.cc CONTENT "// Has no code of its own.\n")
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/precompiled_main.cc CONTENT "int main() {}\n")
  add_library(treble_precompiled STATIC ${PROJECT_BINARY_DIR}/precompiled.cc)
  target_link_libraries(treble_precompiled PRIVATE treble_options fmt::fmt nlohmann_json::nlohmann_json)
  target_precompile_headers(treble_precompiled PRIVATE ${common_headers})
  if(TREBLE_BUILD_TESTS)
    add_executable(treble_precompiled_tests ${PROJECT_BINARY_DIR}/precompiled_main.cc)
    target_link_libraries(treble_precompiled_tests PRIVATE treble_options fmt::fmt nlohmann_json::nlohmann_json GTest::gtest)
    target_precompile_headers(treble_precompiled_tests PRIVATE ${common_headers} <gtest/gtest.h>)
  endif()
endif()

# What every test runs with.
set(TREBLE_TEST_ENVIRONMENT "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/tsan.supp"
  "LSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/tests/lsan.supp")

function(treble_module name)
  cmake_parse_arguments(arg "COLD" "" "PUBLIC;PRIVATE;SUBDIRS" ${ARGN})
  set(patterns *.cc)
  foreach(dir ${arg_SUBDIRS})
    list(APPEND patterns ${dir}/*.cc)
  endforeach()
  file(GLOB sources CONFIGURE_DEPENDS ${patterns})
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")

  add_library(treble_${name} STATIC ${sources})
  target_link_libraries(treble_${name} PUBLIC treble_options fmt::fmt ${arg_PUBLIC} PRIVATE ${arg_PRIVATE})
  treble_precompile(treble_${name} treble_precompiled)
  treble_unity(treble_${name})
  if(arg_COLD)
    target_compile_options(treble_${name} PRIVATE $<$<CONFIG:Release>:-O2>)
  endif()
  if(TREBLE_BUILD_TESTS AND tests)
    treble_test(treble_${name}_test SOURCES ${tests} LIBRARIES treble_${name} ${arg_PRIVATE})
  endif()
endfunction()

# treble_test(NAME SOURCES … LIBRARIES … [LABELS …]): a GoogleTest program whose cases ctest lists one by one, labelled `unit`
# unless said otherwise. A case whose name begins with "Model" needs a real model and carries the label `model`.
function(treble_test name)
  cmake_parse_arguments(arg "" "" "SOURCES;LIBRARIES;LABELS" ${ARGN})
  if(NOT arg_LABELS)
    set(arg_LABELS unit)
  endif()
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE treble_options ${arg_LIBRARIES} GTest::gtest_main fmt::fmt nlohmann_json::nlohmann_json)
  treble_precompile(${name} treble_precompiled_tests)
  target_compile_definitions(${name} PRIVATE TREBLE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  # What is tested is optimised fully; optimising the tests themselves would take a third of their compile time.
  target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O1>)
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST TEST_FILTER -Model* TEST_PREFIX "${name}."
    PROPERTIES LABELS "${arg_LABELS}" TIMEOUT 300 ENVIRONMENT "${TREBLE_TEST_ENVIRONMENT}")
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST TEST_FILTER Model* TEST_PREFIX "${name}."
    TEST_LIST ${name}_model_tests PROPERTIES LABELS model TIMEOUT 600 ENVIRONMENT "${TREBLE_TEST_ENVIRONMENT}")
endfunction()
