# TREBLE_COMMIT: the commit that is checked out; outside a repository of Treble's own what a release archive says of itself
# (file COMMIT), else "unknown". Looked up when CMake
# runs, which a new commit makes it do; given to one source file alone, so that a commit compiles no more than that.
set(TREBLE_COMMIT unknown)
if(EXISTS ${PROJECT_SOURCE_DIR}/COMMIT)
  file(STRINGS ${PROJECT_SOURCE_DIR}/COMMIT TREBLE_COMMIT LIMIT_COUNT 1)
endif()
find_package(Git QUIET)
if(GIT_FOUND)
  function(treble_git result)
    execute_process(COMMAND ${GIT_EXECUTABLE} ${ARGN} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR}
      OUTPUT_VARIABLE output ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
    set(${result} "${output}" PARENT_SCOPE)
  endfunction()
  treble_git(toplevel rev-parse --show-toplevel)
  # A copy of the sources inside some other repository is none of that repository's commits.
  if(toplevel STREQUAL PROJECT_SOURCE_DIR)
    treble_git(commit rev-parse --short=12 HEAD)
    treble_git(log rev-parse --git-path logs/HEAD)
    if(commit)
      set(TREBLE_COMMIT ${commit})
    endif()
    get_filename_component(log "${log}" ABSOLUTE BASE_DIR ${PROJECT_SOURCE_DIR})
    if(EXISTS ${log})
      set_property(DIRECTORY ${PROJECT_SOURCE_DIR} APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${log})
    endif()
  endif()
endif()
