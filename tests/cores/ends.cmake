# How the process ends, and whose its own keys are, where gRPC has a libcrypto of its own.
set(node ${PROJECT_SOURCE_DIR}/tests/node)
core_program(exit_child_static STATIC SOURCES ${node}/exit_child.c ${fixtures}/plugin_host.c LINKS ${all_archives})
core_program(guest_child_static STATIC LINKS ${all_archives}
  SOURCES ${node}/guest_child.c ${fixtures}/plugin_host.c ${fixtures}/guest_crypto.c ${fixtures}/authority.c)
foreach(row IN ITEMS "exit:100" "guest:0")
  string(REGEX MATCH "(.*):(.*)" ignored ${row})
  set(what ${CMAKE_MATCH_1})
  string(TOUPPER ${what}_child macro)
  if(NODEKEY_SANITIZE)
    set(few_exits NODEKEY_EXIT_RUNS=5)
  endif()
  nodekey_test(${what}_static SOURCES ${node}/test_${what}.c DEFINES ${macro}="$<TARGET_FILE:${what}_child_static>"
    ENVIRONMENT ${few_exits} NO_LEAK_CHECK COST ${CMAKE_MATCH_2})
  add_dependencies(test_${what}_static ${what}_child_static)
endforeach()
