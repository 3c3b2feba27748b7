# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by tests/platform_trees.sh and tests/real/ordinary_user.sh: bare trees of Debian's releases, and commands that run in them.

# The mirror and the proxy that this machine's apt uses.
# make_tree SUITE TARGET PACKAGES [SOURCES]: TARGET is a folder, or an archive when it ends so. PACKAGES are
# separated by spaces; SOURCES, as src:NAME, are taken from experimental.
make_tree() {
  local suite=$1 target=$2 included=$3 sources=${4-} mirror proxy options=() lines=()
  # shellcheck disable=SC2016 # apt's own variable
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Label: Debian' | head -n 1)
  mirror=${mirror:-http://deb.debian.org/debian}
  proxy=$(apt-config dump --format '%v' Acquire::http::Proxy)
  [ -z "$proxy" ] || options+=(--aptopt="Acquire::http::Proxy \"$proxy\"")
  options+=(--aptopt='Acquire::Check-Valid-Until "false"') # of sid
  lines=("deb $mirror $suite main")
  if [ -n "$sources" ]; then
    lines+=("deb $mirror experimental main")
    # shellcheck disable=SC2016 # $1 is the tree
    options+=(--setup-hook='mkdir -p "$1/etc/apt/preferences.d" &&
      printf "Package: '"$sources"'\nPin: release a=experimental\nPin-Priority: 900\n" \
        >"$1/etc/apt/preferences.d/experimental"')
  fi
  rm -rf --one-file-system "$target.part"
  case $target in
  *.tar) options+=(--format=tar) ;;
  *) options+=(--format=directory) ;;
  esac
  mmdebstrap --variant=minbase "${options[@]}" --include="$included" "$suite" "$target.part" "${lines[@]}" || return 1
  mv "$target.part" "$target"
}

# inside TREE COMMAND [ARGUMENT...]: in namespaces that end with the command: no network but lo, no process left.
# Where a container refuses namespaces, without; where it refuses mounts, without /proc, and with devices made by hand.
inside() {
  local namespaces=(unshare --mount --pid --net --ipc --fork --kill-child)
  "${namespaces[@]}" ip link set lo up 2>/dev/null || namespaces=()
  # shellcheck disable=SC2016 # the inner shell's
  "${namespaces[@]}" bash -euc '
    tree=$1
    shift
    [ $$ -ne 1 ] || ip link set lo up
    devices="null zero full random urandom tty"
    if mount --bind "$tree" "$tree" 2>/dev/null; then
      trap "umount --recursive --lazy \"\$tree\"" EXIT
      mount -t proc proc "$tree/proc"
      mount -t sysfs -o ro sys "$tree/sys"
      mount -t tmpfs -o mode=755 dev "$tree/dev"
      for name in $devices; do
        : >"$tree/dev/$name"
        mount --bind "/dev/$name" "$tree/dev/$name"
      done
      mkdir -m 1777 "$tree/dev/shm"
      mount -t tmpfs -o mode=1777 shm "$tree/dev/shm"
      mkdir "$tree/dev/pts"
      mount -t devpts -o newinstance,ptmxmode=0666 pts "$tree/dev/pts"
      ln -s pts/ptmx "$tree/dev/ptmx"
    else
      for name in $devices; do
        cp -a "/dev/$name" "$tree/dev/" || exit
      done
      install -d -m 1777 "$tree/dev/shm"
    fi
    ln -sfn /proc/self/fd "$tree/dev/fd"
    ln -sf fd/0 "$tree/dev/stdin"
    ln -sf fd/1 "$tree/dev/stdout"
    ln -sf fd/2 "$tree/dev/stderr"
    # Not exec: the first process of the namespace reaps those that others leave behind.
    chroot "$tree" env -i HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb "$@" <&0 &
    wait "$!"' inside "$@"
}
