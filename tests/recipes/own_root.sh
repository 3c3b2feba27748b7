#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs a command as root in a copy of this machine's root, with a loopback of its own: users, files and processes
# that it makes are gone when it ends. Needs namespaces (CAP_SYS_ADMIN).
# usage: own_root.sh [--systemd] COMMAND [ARGUMENT...]
#   --systemd    by a systemd that is PID 1 there; needs dbus-daemon, and a cgroup2 tree that may be written to
# Exit status: the command's; 77 where this machine does not let us.
set -euo pipefail

cannot() {
  printf 'own_root.sh: %s\n' "$*" >&2
  exit 77
}

make_devices() { # root
  local device
  mount -t tmpfs -o mode=755 tmpfs "$1/dev"
  for device in "null 3" "zero 5" "full 7" "random 8" "urandom 9"; do
    mknod -m 666 "$1/dev/${device% *}" c 1 "${device#* }"
  done
  mkdir "$1/dev/pts"
  mount -t devpts -o newinstance,ptmxmode=666 devpts "$1/dev/pts"
  ln -s pts/ptmx "$1/dev/ptmx"
  ln -s /proc/self/fd "$1/dev/fd"
  mkdir -m 1777 "$1/dev/shm"
}

make_root() { # folder, command and its arguments
  local path
  mount --make-rprivate /
  mount -t tmpfs -o mode=755 tmpfs "$1"
  mkdir "$1/upper" "$1/work" "$1/root"
  mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
  make_devices "$1/root"
  mount -t proc proc "$1/root/proc"
  mount -t sysfs sysfs "$1/root/sys"
  mount -t tmpfs -o mode=755 tmpfs "$1/root/run"
  tr -d - </proc/sys/kernel/random/uuid >"$1/root/etc/machine-id" # systemd-creds makes no key where there is none
  for path in "$PWD" "$top" "${@:2}"; do # of other file systems than the root's, what is needed
    if [ -d "$path" ] && [ "$(stat -c %d "$path")" != "$(stat -c %d /)" ]; then
      mkdir -p "$1/root$path"
      mount --bind "$path" "$1/root$path"
    fi
  done
}

# Of Debian's units only those that the command needs: what else runs at a boot would empty /tmp, and more.
write_units() { # root, command and its arguments
  local units=$1/run/own-units name
  mkdir "$units"
  for name in dbus.socket dbus.service systemd-journald.socket systemd-journald-dev-log.socket systemd-journald.service; do
    cp "/lib/systemd/system/$name" "$units/"
  done
  for name in sysinit basic sockets multi-user shutdown network-online time-sync; do
    printf '[Unit]\nDefaultDependencies=no\n' >"$units/$name.target"
  done
  {
    export -p
    printf 'cd %q\nexec' "$PWD"
    printf ' %q' "${@:2}"
  } >"$1/run/own-command"
  cat >"$units/own-command.service" <<END
[Unit]
Requires=dbus.socket systemd-journald.service
After=dbus.socket systemd-journald.service
SuccessAction=exit-force
FailureAction=exit-force
[Service]
Type=exec
StandardInput=null
StandardOutput=file:/run/own-output
StandardError=file:/run/own-output
ExecStart=/bin/bash /run/own-command
END
  : >"$1/etc/machine-id"
}

inside() { # folder, command and its arguments
  local root=$1/root here
  make_root "$@"
  ip link set lo up
  if $with_systemd; then
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    write_units "$root" "${@:2}"
    touch "$root/run/own-output"
    mount --bind "$(dirname "$1")/output" "$root/run/own-output"
  fi
  here=$PWD
  cd "$root"
  pivot_root . . # user namespaces are not to be had after chroot
  umount -l .
  cd /
  if ! $with_systemd; then
    exec env --chdir="$here" "${@:2}"
  fi
  mount --make-rshared / # credentials reach a service from a namespace beside its own
  exec env -i container=own_root PATH="$PATH" \
    SYSTEMD_UNIT_PATH=/run/own-units:/etc/systemd/system:/run/systemd/system:/run/systemd/transient \
    /lib/systemd/systemd --system --unit=own-command.service --log-target=journal --show-status=0
}

# Processes that systemd moves about are those of this group alone.
enter_group() {
  local tree
  tree=$(findmnt -nro TARGET -t cgroup2 | head -n 1)
  [ -n "$tree" ] || cannot "there is no cgroup2 tree"
  group=$tree/own-root-$$
  mkdir "$group" 2>/dev/null || cannot "$tree cannot be written to"
  echo $$ >"$group/cgroup.procs"
}

# shellcheck disable=SC2317,SC2329 # a trap calls it
clean_up() {
  [ -z "$child" ] || kill -KILL "$child" 2>/dev/null || true # its child goes with it, and so do all
  wait
  rm -rf --one-file-system "$folder"
  [ -n "$group" ] || return 0
  echo $$ >"$(dirname "$group")/cgroup.procs"
  for _ in {1..50}; do
    ! find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || break
    sleep 0.1
  done
}

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
with_systemd=false
group=
child=
if [ "${1:-}" = --systemd ]; then
  with_systemd=true
  shift
fi
if [ "${1:-}" = --inside ]; then
  inside "${@:2}"
fi
[ $# -gt 0 ] || { sed -n '3,8s/^# //p' "${BASH_SOURCE[0]}" >&2; exit 2; }
unshare --mount --pid --ipc --uts --net --fork true 2>/dev/null || cannot "namespaces are not to be had: CAP_SYS_ADMIN is needed"
folder=$(mktemp -d /tmp/own-root.XXXXXX)
trap clean_up EXIT
trap 'exit 130' INT TERM
namespaces=(--mount --pid --ipc --uts --net --fork --kill-child)
mkdir "$folder/place"
inside=(--inside "$folder/place")
if $with_systemd; then
  enter_group
  mkfifo "$folder/output"
  cat "$folder/output" &
  namespaces+=(--cgroup)
  inside=(--systemd "${inside[@]}")
fi
unshare "${namespaces[@]}" bash "${BASH_SOURCE[0]}" "${inside[@]}" "$@" <&0 & # so that a signal is not late
child=$!
status=0
wait "$child" || status=$?
child=
wait # for the last lines
exit $status
