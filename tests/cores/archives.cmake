# Static libraries: gRPC's own in `archives`, OpenSSL's too in `all_archives`; the rest stays shared.
pkg_check_modules(grpc_archive REQUIRED grpc)
set(archives ${grpc_archive_STATIC_LDFLAGS})
list(TRANSFORM archives REPLACE "^-l(grpc|gpr|upb|address_sorting)$" "-l:lib\\1.a")
set(all_archives ${archives})
list(TRANSFORM all_archives REPLACE "^-l(ssl|crypto)$" "-l:lib\\1.a")
list(APPEND all_archives -l:libssl.a -l:libcrypto.a)

# Debian's archive of gRPC is made for OpenSSL 3, and calls what 4 has not.
set(NODEKEY_GRPC_ARCHIVE_LINKS TRUE)
if(NODEKEY_CORE_IS_BORINGSSL) # and has none here
  set(NODEKEY_GRPC_ARCHIVE_LINKS FALSE)
elseif(OPENSSL_VERSION VERSION_GREATER_EQUAL 4)
  include(CheckCXXSourceCompiles)
  set(CMAKE_REQUIRED_LIBRARIES ${archives} OpenSSL::Crypto)
  unset(NODEKEY_GRPC_ARCHIVE_LINKS)
  check_cxx_source_compiles("#include <grpc/grpc_security.h>
    int main() { grpc_ssl_credentials_create(nullptr, nullptr, nullptr, nullptr); }" NODEKEY_GRPC_ARCHIVE_LINKS)
  unset(CMAKE_REQUIRED_LIBRARIES)
endif()
