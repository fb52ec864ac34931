# The page of apps/report as C++: its bytes in an array. A script for `cmake -P`, with PAGE and OUTPUT.
#
# An array of numbers rather than a string: string literals have length limits, and need escapes.
if(CMAKE_SCRIPT_MODE_FILE)
  file(READ ${PAGE} bytes HEX)
  string(LENGTH "${bytes}" digits)
  math(EXPR size "${digits} / 2")
  string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
  file(WRITE ${OUTPUT} "// Made by cmake/TrebleReportPage.cmake from apps/report.\n"
    "#include \"diagnostics/report_template.h\"\n\n"
    "namespace treble::internal {\n\n"
    "namespace {\nconstexpr unsigned char kBytes[${size}] = {\n${bytes}\n};\n}  // namespace\n\n"
    "std::string_view report_template() { return {reinterpret_cast<const char*>(kBytes), sizeof kBytes}; }\n\n"
    "}  // namespace treble::internal\n")
  return()
endif()

# treble_report_page(TARGET): compiles the page into TARGET; built when its sources changed, or (TREBLE_BUILD_REPORT=OFF) the
# file TREBLE_REPORT_PAGE as it is.
function(treble_report_page target)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/report_template.cc)
  set(script ${PROJECT_SOURCE_DIR}/cmake/TrebleReportPage.cmake)
  if(NOT TREBLE_BUILD_REPORT)
    if(NOT EXISTS ${TREBLE_REPORT_PAGE})
      message(FATAL_ERROR "TREBLE_BUILD_REPORT is OFF and there is no ${TREBLE_REPORT_PAGE}. Take index.html from a release "
        "archive's apps/report/built and name it with -DTREBLE_REPORT_PAGE=FILE, or set TREBLE_BUILD_REPORT=ON (needs Node.js).")
    endif()
    add_custom_command(OUTPUT ${source}
      COMMAND ${CMAKE_COMMAND} -DPAGE=${TREBLE_REPORT_PAGE} -DOUTPUT=${source} -P ${script}
      DEPENDS ${TREBLE_REPORT_PAGE} ${script}
      COMMENT "Compiling in the page of reports, ${TREBLE_REPORT_PAGE}" VERBATIM)
    target_sources(${target} PRIVATE ${source})
    return()
  endif()
  file(GLOB_RECURSE inputs CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/apps/report/src/*)
  foreach(name index.html package.json package-lock.json tsconfig.json vite.config.ts)
    list(APPEND inputs ${PROJECT_SOURCE_DIR}/apps/report/${name})
  endforeach()
  set(page ${CMAKE_CURRENT_BINARY_DIR}/report_page.html)
  set(builder ${PROJECT_SOURCE_DIR}/tools/build_report.sh)
  add_custom_command(OUTPUT ${source} BYPRODUCTS ${page}
    COMMAND ${builder} ${page}
    COMMAND ${CMAKE_COMMAND} -DPAGE=${page} -DOUTPUT=${source} -P ${script}
    DEPENDS ${inputs} ${script} ${builder}
    COMMENT "Building the page of reports (apps/report)" VERBATIM)
  target_sources(${target} PRIVATE ${source})
endfunction()
