# find_package(treble) for others: headers, the shared library, the program, and the oneDNN runtime beside them.
include(CMakePackageConfigHelpers)

install(TARGETS treble EXPORT trebleTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
  RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY include/treble DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(EXPORT trebleTargets NAMESPACE treble:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/treble)
configure_package_config_file(cmake/trebleConfig.cmake.in trebleConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/treble)
write_basic_package_version_file(trebleConfigVersion.cmake COMPATIBILITY ${TREBLE_COMPATIBILITY})
install(FILES ${PROJECT_BINARY_DIR}/trebleConfig.cmake ${PROJECT_BINARY_DIR}/trebleConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/treble)

# oneDNN came in a Python wheel, so no system package brings it to the place where Treble is installed.
install(FILES $<TARGET_FILE:DNNL::dnnl> DESTINATION ${CMAKE_INSTALL_LIBDIR}
  RENAME $<TARGET_SONAME_FILE_NAME:DNNL::dnnl>)
