# Programs that show a function of OpenSSL's names to all: each that nodekey.so and nodekey-provider.so use, alone.
foreach(row IN ITEMS "host:nodekey_plugin:nonexistent/node.json" "program:nodekey_provider_module:loaded")
  string(REGEX MATCH "(.*):(.*):(.*)" ignored ${row})
  set(host captured_${CMAKE_MATCH_1})
  set(module ${CMAKE_MATCH_2})
  add_executable(${host} ${host}.c)
  target_link_libraries(${host} PRIVATE nodekey_tests nodekey::abi ${CMAKE_DL_LIBS})
  target_include_directories(${host} PRIVATE ${OPENSSL_INCLUDE_DIR})
  target_compile_definitions(${host} PRIVATE LIBCRYPTO="${OPENSSL_CRYPTO_LIBRARY}" MODULES="${PROJECT_BINARY_DIR}")
  add_dependencies(${host} ${module})
  nodekey_test(${host} COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/captured.sh ${CMAKE_NM} $<TARGET_FILE:${module}>
    ${OPENSSL_CRYPTO_LIBRARY} ${CMAKE_C_COMPILER} $<TARGET_FILE:${host}> ${CMAKE_MATCH_3})
endforeach()

# A program that has even its C library within loads another one with nodekey.so.
if(NODEKEY_SANITIZE) # whose runtime is shared
  set_property(GLOBAL APPEND PROPERTY nodekey_tests_left_out static_program)
else()
  add_executable(captured_static captured_host.c)
  target_link_libraries(captured_static PRIVATE nodekey_tests nodekey::abi ${CMAKE_DL_LIBS} -static)
  nodekey_test(static_program COMMAND captured_static $<TARGET_FILE:nodekey_plugin>)
  set_tests_properties(static_program PROPERTIES PASS_REGULAR_EXPRESSION "open 1 this program is linked with -static")
  add_dependencies(captured_static nodekey_plugin)
endif()
