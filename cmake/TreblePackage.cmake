# The Debian package (`make deb`): program, library, headers, completions, manual page and the licences of what is linked in.

# Licences are gathered when a package is made; an installation for oneself carries what its libraries' folders hold.
add_custom_target(treble_licenses
  COMMAND ${PROJECT_SOURCE_DIR}/tools/third_party_licenses.py --output ${PROJECT_BINARY_DIR}/THIRD-PARTY-LICENSES
  COMMENT "Gathering the licences of what Treble carries" VERBATIM)
install(FILES ${PROJECT_BINARY_DIR}/THIRD-PARTY-LICENSES DESTINATION ${CMAKE_INSTALL_DOCDIR} OPTIONAL)

# Examples of services that run `treble serve`: docs/operate.md.
install(DIRECTORY ${PROJECT_SOURCE_DIR}/deploy DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME treble)
set(CPACK_PACKAGE_VENDOR "The Treble authors")
set(CPACK_PACKAGE_CONTACT "The Treble authors <treble@users.noreply.github.com>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGE_DESCRIPTION "A text-embedding engine for the CPU, as a program and a C++ library.
It computes the vectors of sentence-transformers, makes the temperature of attention an option (TempScale), measures
length collapse, and judges on your data whether a temperature helps.")
set(CPACK_PACKAGE_DIRECTORY ${PROJECT_BINARY_DIR}/package)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# The package's own oneDNN; what that one needs (libgomp1) is found through it.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS ${PROJECT_BINARY_DIR}/lib ${TREBLE_ONEDNN_LIBDIR})
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "python3-pyarrow, python3-onnx")
include(CPack)
