# find_package(treble) for others: headers, the shared library, the program, and in lib/treble what is Treble's own affair.
include(CMakePackageConfigHelpers)
set(private_libdir ${CMAKE_INSTALL_LIBDIR}/treble)

set_target_properties(treble PROPERTIES INSTALL_RPATH "$ORIGIN/treble")
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

# oneDNN came in a Python wheel, so no system package brings it to the place where Treble is installed. It lies in a
# folder of its own: another oneDNN in lib/ is neither replaced nor loaded in its place. Treble alone links with it.
option(TREBLE_INSTALL_ONEDNN "Install the oneDNN that Treble was built with into lib/treble; OFF where the system has it" ON)
if(TREBLE_INSTALL_ONEDNN)
  install(FILES $<TARGET_FILE:DNNL::dnnl> DESTINATION ${private_libdir} RENAME $<TARGET_SONAME_FILE_NAME:DNNL::dnnl>
    PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ WORLD_READ)
endif()

install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} RENAME copyright)
include(TreblePackage)
