#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Looks at what the compiler says that it read: no file of a room has read a header of a room that it
# may not use, no include names "..", gRPC is read in the room grpc and PKCS#11 in hsm/ alone, and
# there is no circle between files (x.c, x.h and x_private.h are one). Exit 1 and a line each if not.
# usage: layering.sh SOURCE BUILD    BUILD/rooms/uses: "ROOM: ROOM...", what each may use
set -eu
LC_ALL=C
export LC_ALL
source=$(cd "$1" && pwd)
build=$(cd "$2" && pwd)
arrows=$(mktemp)
trap 'rm -f "$arrows"' EXIT

find "$build/hsm" "$build/plugin" "$build/CMakeFiles/nodekey_plugin.dir" -name '*.d.kept' -exec cat {} + | awk -v source="$source/" -v build="$build/" \
  -v uses="$build/rooms/uses" -v arrows="$arrows" '
  function fail(text) { if (!(text in said)) { said[text]; print "layering: " text; failed = 1 } }
  # hsm/token/token.h for a header that was found through a folder of links.
  function in_tree(path) {
    while (sub(/[^\/]+\/\.\.\//, "", path)) { }
    if (index(path, build "rooms/") == 1) {
      path = substr(path, length(build "rooms/") + 1)
      sub(/^[^\/]*\//, "", path)
      room = path
      sub(/\/.*/, "", room)
      return room in half ? half[room] "/" path : "hsm/" path
    }
    return index(path, source) == 1 ? substr(path, length(source) + 1) : ""
  }
  # A name as a compiler cache writes it, which is relative to BUILD.
  function whole(path,   folder) {
    folder = build
    if (path ~ /^\//) {
      return path
    }
    while (sub(/^\.\.\//, "", path)) { sub(/[^\/]+\/$/, "", folder) }
    return folder path
  }
  function seam(path) { sub(/^hsm\//, "", path); return path }
  # The room, or "entry.c" for plugin/entry.c; "" for the seams.
  function room_of(path) { return split(path, part, "/") == 3 || path ~ /^plugin\/.*\.c$/ ? part[2] : "" }
  function is_there(path,   line, got) { got = (getline line < path); close(path); return got >= 0 }
  function unit_of(path) { sub(/\.[ch]$/, "", path); sub(/_private$/, "", path); return path }
  function look(file, header,   path, ours, from, to) {
    if (header ~ /\/\.\.\//) {
      fail(file ": an include names \"..\": " header)
    }
    from = room_of(file)
    path = in_tree(header)
    ours = path ~ /^(hsm|plugin)\// # also where the tree itself lies below /usr
    if (!ours && header ~ /^\/usr\/.*\/grpc\// && from != "grpc") {
      fail(file ": reads gRPC (" header "), which only the room grpc may")
    }
    if (!ours && header ~ /\/p11-kit\// && file !~ /^hsm\//) {
      fail(file ": reads PKCS#11 (" header "), which only hsm/ may")
    }
    if (!ours) {
      return
    }
    to = room_of(path)
    if (from != "" && to != "" && from != to && !((from, to) in may) &&
        !((from, seam(path)) in may)) {
      fail(file ": includes " path ", but " from " may not use " to)
    }
    if (unit_of(file) != unit_of(path)) {
      print unit_of(file), unit_of(path) > arrows
    }
  }
  BEGIN {
    while ((getline line < uses) > 0) {
      n = split(line, word, " ")
      from = word[1]
      sub(/.*\//, "", from)
      half[from] = word[1]
      sub(/\/.*/, "", half[from])
      for (i = 2; i <= n; i++) {
        may[from, word[i]]
      }
    }
  }
  {
    for (i = 1; i <= NF; i++) {
      if ($i ~ /:$/) {
        named = 0
      } else if ($i != "\\") {
        path = whole($i)
        if (!named) {
          named = 1
          file = is_there(path) ? in_tree(path) : "" # a source that is gone has left its object
          files += file != ""
        } else if (file != "") {
          look(file, path)
        }
      }
    }
  }
  END {
    if (files == 0) {
      fail("no dependency file was kept in " build)
    }
    exit failed
  }' || failed=1

# tsort names each loop that it meets: a line that says so, then its members.
circles=$(tsort "$arrows" 2>&1 >/dev/null | awk '
  /contains a loop/ { print loop; loop = ""; next }
  { loop = loop " " $2 }
  END { print loop }' | sed '/^$/d; s/^/layering: a circle between files:/' | sort -u)
if [ -n "$circles" ]; then
  echo "$circles"
  failed=1
fi
exit "${failed:-0}"
