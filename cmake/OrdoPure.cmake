# ordo_pure(target): a test that the library asks for no clock, no randomness, no file, no socket and no thread: that
# its undefined symbols name none of these. Memory, strings, and printing into memory are all that a core may use.
function(ordo_pure target)
  add_test(NAME pure_${target}
    COMMAND ${CMAKE_COMMAND} -DNM=${CMAKE_NM} -DLIBRARY=$<TARGET_FILE:${target}>
            -P ${PROJECT_SOURCE_DIR}/cmake/check_pure.cmake)
endfunction()
