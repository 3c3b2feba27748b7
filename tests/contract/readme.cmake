# From README.md: its C program to host.c, its configuration to config.h as a string.
file(READ ${README} text)
string(REGEX MATCH "\n```c\n([^`]*)```" ignored "${text}")
file(WRITE ${OUT}/host.c "${CMAKE_MATCH_1}")
string(REGEX MATCH "\n```json\n([^`]*)```" ignored "${text}")
string(REPLACE "\"" "\\\"" json "${CMAKE_MATCH_1}")
string(REPLACE "\n" "\\n" json "${json}")
file(WRITE ${OUT}/readme_json.h "#define README_JSON \"${json}\"\n")
