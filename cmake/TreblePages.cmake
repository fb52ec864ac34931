# The pages of apps/web as C++: their bytes in arrays. As a script for `cmake -P`: KIND (report or page), PAGES (the folder that
# tools/build_pages.sh writes) and OUTPUT (the .cc).
#
# Arrays of numbers rather than strings: string literals have length limits, and need escapes.
if(CMAKE_SCRIPT_MODE_FILE)
  # bytes_of(FILE NAME OUT): the definition of an array NAME.
  function(bytes_of file name out)
    file(READ ${file} bytes HEX)
    string(LENGTH "${bytes}" digits)
    math(EXPR size "${digits} / 2")
    string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
    set(${out} "constexpr unsigned char ${name}[${size}] = {\n${bytes}\n};\n" PARENT_SCOPE)
  endfunction()

  if(KIND STREQUAL report)
    bytes_of(${PAGES}/report.html kReportBytes bytes)
    file(WRITE ${OUTPUT} "// Made by cmake/TreblePages.cmake from apps/web.\n"
      "#include \"diagnostics/report_template.h\"\n\n"
      "namespace treble::internal {\n\n"
      "namespace {\n${bytes}}  // namespace\n\n"
      "std::string_view report_template() { return {reinterpret_cast<const char*>(kReportBytes), sizeof kReportBytes}; }\n\n"
      "}  // namespace treble::internal\n")
    return()
  endif()

  set(arrays "")
  set(assets "")
  foreach(asset "/|index.html|text/html\; charset=utf-8|kPageHtml" "/app.js|app.js|text/javascript\; charset=utf-8|kPageScript"
      "/style.css|style.css|text/css\; charset=utf-8|kPageStyle" "/favicon.svg|favicon.svg|image/svg+xml|kPageIcon")
    string(REGEX MATCH "^(.*)\\|(.*)\\|(.*)\\|(.*)$" all "${asset}")
    set(path ${CMAKE_MATCH_1})
    set(file ${PAGES}/page/${CMAKE_MATCH_2})
    set(type ${CMAKE_MATCH_3})
    set(name ${CMAKE_MATCH_4})
    bytes_of(${file} ${name} bytes)
    file(SHA256 ${file} digest)
    string(SUBSTRING ${digest} 0 32 digest)
    string(APPEND arrays "${bytes}")
    string(APPEND assets "    Asset{\"${path}\", \"${type}\", {reinterpret_cast<const char*>(${name}), sizeof ${name}}, \"\\\"${digest}\\\"\"},\n")
  endforeach()
  file(WRITE ${OUTPUT} "// Made by cmake/TreblePages.cmake from apps/web.\n"
    "#include \"api/page_routes.h\"\n\n"
    "namespace treble::server {\n\n"
    "namespace {\n${arrays}\nconst Asset kPageAssets[] = {\n${assets}};\n}  // namespace\n\n"
    "std::span<const Asset> page_assets() { return kPageAssets; }\n\n"
    "}  // namespace treble::server\n")
  return()
endif()

# treble_compile_pages(TARGET KIND FILE…): compiles the pages of a kind into TARGET; FILE… are theirs. Built when their sources
# changed, or (TREBLE_BUILD_PAGES=OFF) as they are in the folder TREBLE_PAGES.
function(treble_compile_pages target kind)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/${kind}_bytes.cc)
  set(script ${PROJECT_SOURCE_DIR}/cmake/TreblePages.cmake)
  if(NOT TREBLE_BUILD_PAGES)
    set(pages ${TREBLE_PAGES})
    list(TRANSFORM ARGN PREPEND ${pages}/ OUTPUT_VARIABLE files)
    foreach(file ${files})
      if(NOT EXISTS ${file})
        message(FATAL_ERROR "TREBLE_BUILD_PAGES is OFF and there is no ${file}. Take the folder apps/web/built from a release "
          "archive and name it with -DTREBLE_PAGES=FOLDER, or set TREBLE_BUILD_PAGES=ON (needs Node.js).")
      endif()
    endforeach()
    add_custom_command(OUTPUT ${source}
      COMMAND ${CMAKE_COMMAND} -DKIND=${kind} -DPAGES=${pages} -DOUTPUT=${source} -P ${script}
      DEPENDS ${files} ${script}
      COMMENT "Compiling in the pages of ${pages}" VERBATIM)
  else()
    set(pages ${CMAKE_CURRENT_BINARY_DIR}/pages)
    list(TRANSFORM ARGN PREPEND ${pages}/ OUTPUT_VARIABLE files)
    file(GLOB_RECURSE inputs CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/apps/web/shared/*
      ${PROJECT_SOURCE_DIR}/apps/web/report/* ${PROJECT_SOURCE_DIR}/apps/web/page/*)
    foreach(name package.json package-lock.json tsconfig.json vite.config.ts)
      list(APPEND inputs ${PROJECT_SOURCE_DIR}/apps/web/${name})
    endforeach()
    set(builder ${PROJECT_SOURCE_DIR}/tools/build_pages.sh)
    add_custom_command(OUTPUT ${source} BYPRODUCTS ${files}
      COMMAND ${builder} ${pages}
      COMMAND ${CMAKE_COMMAND} -DKIND=${kind} -DPAGES=${pages} -DOUTPUT=${source} -P ${script}
      DEPENDS ${inputs} ${script} ${builder}
      COMMENT "Building the pages of apps/web (${kind})" VERBATIM)
  endif()
  target_sources(${target} PRIVATE ${source})
endfunction()

# The page that inspect and sweep write with --html.
function(treble_report_page target)
  treble_compile_pages(${target} report report.html)
endfunction()

# The page that `treble serve` shows.
function(treble_server_page target)
  treble_compile_pages(${target} page page/index.html page/app.js page/style.css page/favicon.svg)
endfunction()
