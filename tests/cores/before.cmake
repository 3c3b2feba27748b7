# What programs show that comes before OpenSSL, with a shared gRPC: a third of the functions that nodekey.so uses, each of
# which ends the process.
set(third ${CMAKE_CURRENT_SOURCE_DIR}/third.sh)
add_custom_command(OUTPUT third.c
  COMMAND ${third} third.c ${CMAKE_NM} $<TARGET_FILE:nodekey_plugin> ${OPENSSL_CRYPTO_LIBRARY}
  DEPENDS nodekey_plugin ${third} ${CMAKE_CURRENT_SOURCE_DIR}/crypto_names.sh VERBATIM)
add_library(third SHARED third.c)

# Names that nodekey does not use, but OpenSSL itself, by a table where it is not linked with -Bsymbolic, or a library
# that nodekey uses; and names that SoftHSM alone uses.
function(add_traps name)
  list(TRANSFORM ARGN REPLACE ".+" "TRAP(\\0)")
  list(JOIN ARGN " " traps)
  add_library(${name} SHARED traps.c)
  target_link_libraries(${name} PRIVATE nodekey_tests)
  target_compile_definitions(${name} PRIVATE "TRAPS=${traps}")
endfunction()
add_traps(inner RSA_free EVP_CIPHER_CTX_free)
add_traps(beside ECDSA_do_sign RSA_blinding_on EVP_PKEY_set1_DH)
set(before)
foreach(way IN ITEMS third inner beside)
  core_program(core_${way} SOURCES core_host.c LINKS PkgConfig::grpc)
  target_link_options(core_${way} BEFORE PRIVATE LINKER:--no-as-needed $<TARGET_FILE:${way}>)
  set_target_properties(core_${way} PROPERTIES BUILD_RPATH $<TARGET_FILE_DIR:${way}>)
  add_dependencies(core_${way} ${way})
  list(APPEND before core_${way})
endforeach()

# BoringSSL, as Debian has it and of its own sources.
find_library(NODEKEY_BORINGSSL libcrypto.so.0 PATH_SUFFIXES android)
if(NODEKEY_BORINGSSL)
  core_program(core_boringssl SOURCES core_host.c LINKS PkgConfig::grpc)
  target_link_options(core_boringssl BEFORE PRIVATE LINKER:--no-as-needed ${NODEKEY_BORINGSSL})
  cmake_path(GET NODEKEY_BORINGSSL PARENT_PATH folder)
  set_target_properties(core_boringssl PROPERTIES BUILD_RPATH ${folder})
  list(APPEND before core_boringssl)
else()
  message(STATUS "a row of the test cores is skipped: install android-libboringssl")
endif()
if(TARGET few_boringssl) # libgrpc.so needs libcrypto, so that ld shows names without being told to
  foreach(way IN ITEMS static exporting hiding)
    core_program(core_boringssl_${way} SOURCES core_host.c LINKS PkgConfig::grpc few_boringssl
      OPTIONS LINKER:--undefined=BIO_new_mem_buf)
    list(APPEND before core_boringssl_${way})
  endforeach()
  target_link_options(core_boringssl_exporting PRIVATE -rdynamic)
  target_link_options(core_boringssl_hiding PRIVATE ${hide})
endif()
