# tsan_suppressions: the file of what ThreadSanitizer leaves out on this core.
set(tsan_suppressions ${CMAKE_CURRENT_SOURCE_DIR}/tsan.supp)
if(NODEKEY_CORE_IS_BORINGSSL)
  file(READ ${tsan_suppressions} every_core)
  file(READ ${CMAKE_CURRENT_LIST_DIR}/tsan.supp this_core)
  set(tsan_suppressions ${CMAKE_CURRENT_BINARY_DIR}/tsan.supp)
  file(WRITE ${tsan_suppressions} "${every_core}${this_core}")
endif()
