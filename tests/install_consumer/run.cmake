# Installs the build in BUILD_DIR to a fresh prefix, then configures, builds and runs the consumer against it alone.
set(prefix ${BUILD_DIR}/install_consumer/prefix)
set(build ${BUILD_DIR}/install_consumer/build)
file(REMOVE_RECURSE ${prefix} ${build})

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "${ARGN} failed (${result}):\n${output}")
  endif()
  message(STATUS "${output}")
endfunction()

run(${CMAKE_COMMAND} --install ${BUILD_DIR} --prefix ${prefix})
foreach(file share/man/man1/treble.1 share/bash-completion/completions/treble share/zsh/vendor-completions/_treble
    share/doc/treble/copyright)
  if(NOT EXISTS ${prefix}/${file})
    message(FATAL_ERROR "${file} was not installed")
  endif()
endforeach()
run(${CMAKE_COMMAND} -S ${SOURCE_DIR}/tests/install_consumer -B ${build} -DCMAKE_PREFIX_PATH=${prefix})
run(${CMAKE_COMMAND} --build ${build})
run(${build}/consumer ${SOURCE_DIR}/tests/golden/bert/model)
run(${prefix}/bin/treble --version)
