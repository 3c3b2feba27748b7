# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by examples/quickstart.sh and by scripts in tests/.

# Something begins that may take long: tell_progress says nothing for its first two seconds.
begin_progress() {
  progress_since=$SECONDS
}

# tell_progress TEXT: on one line of a terminal, elsewhere a line every two seconds.
tell_progress() {
  ((SECONDS - progress_since >= 2)) || return 0
  if [ -t 1 ]; then
    printf '\r\033[K  %.76s' "$1"
  else
    progress_since=$SECONDS
    printf '  ... %.72s\n' "$1"
  fi
}

end_progress() {
  if [ -t 1 ] && ((SECONDS - progress_since >= 2)); then
    printf '\r\033[K'
  fi
}

# show_progress LOG: what a tool says on our standard input goes to LOG, and its last line is told.
show_progress() {
  local part line="" status=0
  begin_progress
  while ((status == 0 || status > 128)); do # a line; or a second is over, with part of one
    status=0
    IFS= read -r -t 1 part || status=$?
    printf '%s' "$part" >&3
    [ $status -ne 0 ] || printf '\n' >&3
    line=${part:-$line}
    tell_progress "$line"
  done 3>"$1"
  end_progress
}

# install_missing PACKAGE...: silent when all are there.
install_missing() {
  local package missing=()
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return 0
  if [ "$(id -u)" -ne 0 ]; then
    echo "these packages are missing, and only root can install them: ${missing[*]}" >&2
    return 1
  fi
  echo "installing: ${missing[*]}"
  local log
  log=$(mktemp)
  if ! { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}"; } 2>&1 | show_progress "$log"; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}
