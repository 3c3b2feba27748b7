#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# layering.sh fails on what it is there for, each planted in a small tree and compiled by the real
# compiler; and in the build itself no room compiles an include of one that it may not use.
# usage: test_layering.sh BUILD CC
set -euo pipefail
shopt -s nullglob
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$1
cc=$2
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
failed=0

# A tree of two rooms in hsm/, `high` above `low`, and one in plugin/; unhurt.
plant_tree() {
  rm -rf "${tree:?}"/*
  mkdir -p "$tree"/{hsm,plugin}/ "$tree/build/"{hsm,plugin,CMakeFiles/nodekey_plugin.dir,rooms/room_high,rooms/room_low,rooms/room_front}
  mkdir "$tree/hsm/low" "$tree/hsm/high" "$tree/plugin/front"
  ln -s "$tree/hsm/low" "$tree/build/rooms/room_low/low"
  ln -s "$tree/hsm/low" "$tree/build/rooms/room_high/low"
  ln -s "$tree/hsm/high" "$tree/build/rooms/room_high/high"
  ln -s "$tree/hsm/low" "$tree/build/rooms/room_front/low"
  printf 'hsm/low low\nhsm/high high low\nplugin/front front low\nplugin/entry.c front low\n' >"$tree/build/rooms/uses"
  echo 'int low(void);' >"$tree/hsm/low/low.h"
  echo 'int other(void);' >"$tree/hsm/low/other.h"
  echo 'int high(void);' >"$tree/hsm/high/high.h"
  printf '#include "low/low.h"\n' >"$tree/hsm/low/low.c"
  printf '#include "low/other.h"\n' >"$tree/hsm/low/other.c"
  printf '#include "high/high.h"\n#include "low/low.h"\n' >"$tree/hsm/high/high.c"
  printf '#include "low/low.h"\n' >"$tree/plugin/front/front.c"
}

# Compiles every source of the tree as the build does, with what a row adds to the include path.
compile_tree() {
  local file room
  for file in "$tree"/*/*/*.c "$tree"/plugin/*.c; do
    room=$(basename "$(dirname "$file")")
    [ "$room" = plugin ] && room=front
    # shellcheck disable=SC2086 # $also is several options, or none
    "$here/keep_deps.sh" "$cc" -I "$tree/build/rooms/room_$room" $also -isystem "$tree/usr" -MD -MT x.o \
      -MF "$tree/build/hsm/$(basename "$file").d" -c "$file" -o "$tree/build/x.o"
  done
}

check() { # NAME WANTED-TEXT, or "" for none; the tree is planted
  local said
  compile_tree
  said=$("$here/layering.sh" "$tree" "$tree/build" 2>&1) && [ -n "$2" ] && said="passed: $said"
  if [ "${said/"$2"/}" = "$said" ] && [ -n "$2$said" ]; then
    echo "FAILED  $1: wanted \"$2\", got: $said"
    failed=1
  else
    echo "OK      $1"
  fi
}

also=
plant_tree
check "an unhurt tree" ""

plant_tree
also="-I $tree/hsm"
echo '#include "high/high.h"' >>"$tree/hsm/low/low.c"
check "an include that goes up, by an include path that somebody added" \
  "hsm/low/low.c: includes hsm/high/high.h, but low may not use high"
also=

plant_tree
echo '#include "../high/high.h"' >>"$tree/hsm/low/low.c"
check "an include that goes up by .." "hsm/low/low.c: includes hsm/high/high.h, but low may not use high"

plant_tree
echo '#include "../low/other.h"' >>"$tree/hsm/low/low.c"
check ".. within a room" 'hsm/low/low.c: an include names ".."'

plant_tree
echo '#include "low/other.h"' >>"$tree/hsm/low/low.c"
echo '#include "low/low.h"' >>"$tree/hsm/low/other.c"
check "a circle of two files" "a circle between files: hsm/low/"

plant_tree
echo 'int third(void);' >"$tree/hsm/low/third.h"
printf '#include "low/low.h"\n' >"$tree/hsm/low/third.c"
echo '#include "low/other.h"' >>"$tree/hsm/low/low.c"
echo '#include "low/third.h"' >>"$tree/hsm/low/other.c"
check "a circle of three files" "a circle between files: hsm/low/"

plant_tree
echo 'int inside(void);' >"$tree/hsm/low/low_private.h"
echo '#include "low/low_private.h"' >>"$tree/hsm/low/low.c"
echo '#include "low/low_private.h"' >>"$tree/hsm/low/other.c"
check "a private header is its file's" ""

plant_tree
mkdir -p "$tree/usr/p11-kit"
echo 'typedef int CK_RV;' >"$tree/usr/p11-kit/pkcs11.h"
echo '#include <p11-kit/pkcs11.h>' >>"$tree/plugin/front/front.c"
check "PKCS#11 in plugin/" "plugin/front/front.c: reads PKCS#11"

plant_tree
echo '#include <grpc/status.h>' >>"$tree/plugin/front/front.c"
check "gRPC outside of its room" "plugin/front/front.c: reads gRPC"

plant_tree
printf '#include "low/low.h"\n#include "../hsm/high/high.h"\n' >"$tree/plugin/entry.c"
check "the export uses a room that it may not" \
  "plugin/entry.c: includes hsm/high/high.h, but entry.c may not use high"

plant_tree
compile_tree
rm "$tree/hsm/low/other.c" "$tree/hsm/low/other.h"
check "an object whose source is gone" ""

plant_tree
rm -f "$tree"/*/*/*.c
check "no dependency file" "no dependency file was kept"

whole=$tree
tree=$tree/p11-kit
mkdir "$tree"
plant_tree
check "a checkout below a folder of that name" ""
tree=$whole

# The build: every header of every room, as every room sees it.
rows=0
while read -r room uses; do
  for header in "$here"/../../{hsm,plugin}/*/*.h; do
    other=${header%/*}
    other=${other##*/}
    name=$other/${header##*/}
    view=room_${room#*/}
    [ "$room" = plugin/entry.c ] && view=nodekey_plugin
    visible=no
    [ -e "$build/rooms/$view/$name" ] && visible=yes
    may=no
    case " $uses " in *" $other "* | *" $name "*) may=yes ;; esac
    rows=$((rows + 1))
    if [ "$visible" != "$may" ]; then
      echo "FAILED  $room: $name is visible: $visible, may be used: $may"
      failed=1
    fi
  done
done <"$build/rooms/uses"
upward='#include "token/token.h"'
if printf '%s\n' "$upward" | "$cc" -fsyntax-only -I "$build/rooms/room_wait" -I "$here/../../include" -x c - 2>/dev/null; then
  echo "FAILED  the room wait compiles $upward"
  failed=1
fi
echo "$rows pairs of a room and a header"
exit $failed
