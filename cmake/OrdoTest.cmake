# ordo_test(name libs…): the one way to add a unit test: tests/unit/<name>.c, cmocka, run by ctest.
function(ordo_test name)
  add_executable(${name} ${PROJECT_SOURCE_DIR}/tests/unit/${name}.c)
  target_link_libraries(${name} PRIVATE ${ARGN} ordo_options PkgConfig::CMOCKA)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT 300)
endfunction()
