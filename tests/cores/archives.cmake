# Static libraries: gRPC's own in `archives`, OpenSSL's too in `all_archives`; the rest stays shared.
pkg_check_modules(grpc_archive REQUIRED grpc)
set(archives ${grpc_archive_STATIC_LDFLAGS})
list(TRANSFORM archives REPLACE "^-l(grpc|gpr|upb|address_sorting)$" "-l:lib\\1.a")
set(all_archives ${archives})
list(TRANSFORM all_archives REPLACE "^-l(ssl|crypto)$" "-l:lib\\1.a")
list(APPEND all_archives -l:libssl.a -l:libcrypto.a)
