# The module must export exactly this symbol.
execute_process(COMMAND ${NM} -D --defined-only --format=posix ${MODULE}
  OUTPUT_VARIABLE out COMMAND_ERROR_IS_FATAL ANY)
string(REGEX MATCHALL "[^\n]+" lines "${out}")
set(names "")
foreach(line IN LISTS lines)
  string(REGEX REPLACE " .*" "" name "${line}")
  list(APPEND names "${name}")
endforeach()
if(NOT names STREQUAL SYMBOL)
  message(FATAL_ERROR "exports are [${names}], want [${SYMBOL}]")
endif()
