#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Counts what keeps the tree legible, and fails where a bound is passed: files in a folder, long files,
# long functions, comments that no reader can place.
# usage: house.sh SOURCE
set -u
LC_ALL=C
export LC_ALL
cd "$1" || exit 2
failed=0

too_many() { # TEXT LINES...: fails if there are lines
  if [ -n "$2" ]; then
    echo "house: $1:"
    echo "$2" | sed 's/^/  /'
    failed=1
  fi
}
files() { # product: files of what ships; all: tests and examples, too
  case $1 in
  product) find hsm plugin include -name '*.[ch]' -o -name '*.hpp' ;;
  all) find hsm plugin include tests examples -name '*.[ch]' -o -name '*.hpp' -o -name '*.cc' ;;
  esac | sort
}

too_many "folders with more than 32 files" "$(find hsm plugin tests -type f | sed 's#/[^/]*$##' | sort |
  uniq -c | awk '$1 > 32 { print $2 ": " $1 }')"
too_many "folders of more than 24 files whose CMakeLists.txt does not say why (\"More than 24 files\")" "$(
  find hsm plugin tests -type f | sed 's#/[^/]*$##' | sort | uniq -c | awk '$1 > 24 { print $2 }' | while read -r folder; do
    grep -qs "More than 24 files" "$folder/CMakeLists.txt" ||
      grep -qs "More than 24 files in ${folder##*/}:" "${folder%/*}/CMakeLists.txt" || echo "$folder"
  done)"
too_many "CMakeLists.txt of more than 120 lines in tests/" "$(find tests -name CMakeLists.txt -exec wc -l {} + |
  awk '$1 > 120 && $2 != "total" { print $2 ": " $1 }')"

long=$(files product | xargs wc -l | awk '$1 > 400 && $2 != "total" { print $2 ": " $1 }')
[ "$(echo "$long" | grep -c .)" -le 3 ] || too_many "more than three product files over 400 lines" "$long"

# A function of ours begins with "{" and ends with "}" at the left edge; its head is counted, too.
lengths=$(files product | xargs awk '
  FNR == 1 { head = 0; inside = 0 }
  /^[a-zA-Z].*\(/ && !/;$/ && !inside && !/^#/ { head = FNR }
  /^\{/ && head { inside = 1 }
  /^\}/ && inside { print FNR - head + 1, FILENAME ":" head; inside = 0; head = 0 }')
too_many "functions of more than 60 lines" "$(echo "$lengths" | awk '$1 > 60 { print $2 ": " $1 }')"
median=$(echo "$lengths" | sort -n | awk '{ n[NR] = $1 } END { print n[int((NR + 1) / 2)] }')
[ "$median" -le 12 ] || too_many "the median function" "$median lines, more than 12"

too_many "comments that end in a line of their own" "$(files all | xargs grep -n '^ *\*/ *$' | cut -d: -f1,2)"
too_many "comments that begin with a pronoun: name the noun" "$(files product |
  xargs grep -nE '/\* (It|That|This|What|Who|Those|They|He|Nobody|Somebody|These|One (that|who|which|is|can|may|of|came))\b' | cut -c1-120)"
too_many "functions in the tables of plugin.h without a thread tag" "$(awk '
  /^    \/\*/ { tag = 0 }
  /\[(any|one|plugin)\]/ { tag = 1 }
  /^    [a-z].*\(\*[a-z_]+\)\(/ { if (!tag) print FILENAME ":" FNR ": " $0; tag = 0 }' include/nodekey/plugin.h)"

echo "$(files product | wc -l) product files, $(echo "$lengths" | wc -l) functions, median $median lines"
exit $failed
