include(CMakePackageConfigHelpers)

get_property(retentive_libraries GLOBAL PROPERTY RETENTIVE_LIBRARIES)
# LibTorch and oneDNN are not installed along: what is installed must find them where they are.
set(retentive_installed ${retentive_libraries})
if(TARGET retentive)
  list(APPEND retentive_installed retentive)
endif()
get_target_property(retentive_dnnl DNNL::dnnl LOCATION)
cmake_path(GET retentive_dnnl PARENT_PATH retentive_dnnl_directory)
set_property(TARGET ${retentive_installed} APPEND PROPERTY INSTALL_RPATH ${TORCH_INSTALL_PREFIX}/lib ${retentive_dnnl_directory})
install(TARGETS ${retentive_libraries} EXPORT retentiveTargets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT retentiveTargets NAMESPACE retentive:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/retentive)
install(DIRECTORY retention vision models datasets DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/retentive
        FILES_MATCHING PATTERN "*.h" PATTERN "*_json.h" EXCLUDE PATTERN "detail" EXCLUDE)
if(TARGET retentive)
  install(TARGETS retentive RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

configure_package_config_file(cmake/retentiveConfig.cmake.in retentiveConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/retentive)
write_basic_package_version_file(retentiveConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/retentiveConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/retentiveConfigVersion.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/retentive)
