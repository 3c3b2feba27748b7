# Programs that carry BoringSSL, of its own sources what a memory BIO needs: 26 names of functions that nodekey uses. The
# core of gRPC that has all of it takes long to build: tests/boringssl.
set(sources ${PROJECT_SOURCE_DIR}/build/grpcio-sdist/third_party/boringssl-with-bazel) # by tests/run.sh
set(few crypto/bio/bio crypto/bio/bio_mem crypto/buf/buf crypto/err/err crypto/ex_data crypto/mem crypto/refcount
  crypto/stack/stack crypto/thread_pthread gen/crypto/err_data)
list(TRANSFORM few PREPEND ${sources}/)
list(TRANSFORM few APPEND .cc)
add_library(few_boringssl STATIC ${few})
target_compile_features(few_boringssl PRIVATE cxx_std_17)
target_compile_definitions(few_boringssl PRIVATE BORINGSSL_IMPLEMENTATION)
target_compile_options(few_boringssl PRIVATE -w -fno-exceptions -fno-rtti)
target_include_directories(few_boringssl PRIVATE ${sources}/include)
set_target_properties(few_boringssl PROPERTIES POSITION_INDEPENDENT_CODE ON)
set(hide -Wl,--exclude-libs,ALL)
find_library(NODEKEY_CURL libcurl.so.4 REQUIRED)

# Without gRPC: a program that shows names, and the same that hides them. Libraries come last: ld takes nothing from an
# archive that a library before it has.
set(alone ${CMAKE_CURRENT_BINARY_DIR}/alone)
function(add_alone name)
  add_executable(${name} captured_host.c)
  target_link_libraries(${name} PRIVATE nodekey_tests nodekey::abi few_boringssl ${CMAKE_DL_LIBS} -Wl,--no-as-needed ${ARGN})
  target_link_options(${name} PRIVATE LINKER:--undefined=BIO_new_mem_buf)
  set_target_properties(${name} PROPERTIES LINKER_LANGUAGE CXX RUNTIME_OUTPUT_DIRECTORY ${alone})
endfunction()
add_alone(hiding_plain)
foreach(way IN ITEMS "rdynamic:-rdynamic" "libcurl:${NODEKEY_CURL}" "libcrypto:${OPENSSL_CRYPTO_LIBRARY}")
  string(REGEX MATCH "(.*):(.*)" ignored ${way})
  add_alone(showing_${CMAKE_MATCH_1} ${CMAKE_MATCH_2})
  add_alone(hiding_${CMAKE_MATCH_1} ${CMAKE_MATCH_2} ${hide})
endforeach()
nodekey_test(captured_boringssl COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/captured_boringssl.sh ${alone})
