#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The compiler, called as it would have been; its dependency file is kept, which Ninja swallows.
# usage: keep_deps.sh COMPILER ARGUMENT...
"$@" || exit
for argument; do
  [ "$before" = -MF ] && exec cp "$argument" "$argument.kept"
  before=$argument
done
