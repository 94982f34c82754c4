#!/bin/bash
# Fetches the packages of a Debian kernel as they are, not unpacked, and prints the folder that holds them: the kernel alone, and what
# modules are built with (its modules are a hundred megabytes).
#   fetch-deb.sh ARCH     ARCH: amd64, arm64 or ppc64el
# The newest kernel whose package is apart from that of its modules (7.x). Later runs find it in the cache and only print.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/debian.sh"
arch=$1
flavour=$arch
[[ $arch == ppc64el ]] && flavour=powerpc64le
mkdir -p "$cache/debian"
exec 9>"$cache/debian/.lock-deb-$arch"
flock 9
final=$cache/debian/deb-$arch
if [[ ! -d $final ]]; then
  mapfile -t names < <(debian_names "$arch" "linux-binary-unsigned-[0-9].*-$flavour" | sort -rV)
  for name in "${names[@]}"; do
    release=${name#linux-binary-unsigned-}
    work=$(mktemp -d "$cache/debian/fetching.XXXXXX")
    debian_apt "$arch"
    if (cd "$work" && apt-get "${apt[@]}" -qq download "$name" "linux-headers-$release" >&2); then
      mv -T "$work" "$final"
      break
    fi
    rm -rf "$work"
  done
fi
[[ -d $final ]] || { echo "fetch-deb: no package linux-binary-unsigned for $arch can be had" >&2; exit 1; }
echo "$final"
