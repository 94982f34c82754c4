#!/bin/bash
# Fetches one Debian package of any architecture and suite and prints the folder in which it is unpacked.
#   fetch-package.sh ARCH PACKAGE...
# The newest version that can be had; of several names (a package that is called differently in another suite) the first with one. Of
# linux-source-X.Y, when the archive has it no more, the next higher series.
# Later runs find it in the cache and only print. KLPLINK_CACHE says where (default: klplink in the user's cache folder).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/debian.sh"

arch=$1
shift

say() { echo "fetch-package: $*" >&2; }

fetch() { # PACKAGE
  local package version offers final
  offers=$(debian_offers "$arch" "$1") || offers=
  while read -r package version; do
    [[ -n $package ]] || continue
    final=$cache/debian/$package-${version#*:}-$arch
    if [[ ! -d $final ]]; then
      say "$package $version"
      debian_unpack "$arch" "$final" "$package=$version" || { say "$package $version not taken: $debian_why"; continue; }
    fi
    echo "$final"
    exit
  done <<<"$offers"
}

all=("$@")
higher() { # what comes after linux-source-X.Y
  [[ $1 =~ ^linux-source-[0-9]+\.[0-9]+$ ]] || return 0
  debian_names "$arch" 'linux-source-[0-9]+\.[0-9]+' | debian_series "${1#linux-source-}" | sed 's/^/linux-source-/' | grep -vxF "$1" || true
}
debian_apt "$arch" || true
while :; do
  for name in "${all[@]}"; do fetch "$name"; done
  for name in "${all[@]}"; do
    for next in $(higher "$name"); do
      say "no $name can be had: $next takes its place"
      fetch "$next"
    done
  done
  debian_reread "$arch" || break
  say "the index is read again"
done
# What was fetched before serves when the archive does not answer.
for name in "${all[@]}"; do
  found=$(find "$cache/debian" -mindepth 1 -maxdepth 1 -type d -name "$name-[0-9]*-$arch" 2>/dev/null | sort -V | tail -n 1)
  if [[ -n $found ]]; then
    say "the archive has none to be had; from the cache: ${found##*/}"
    echo "$found"
    exit
  fi
done
say "the archive has no package ${all[*]} for $arch that can be had"
exit 1
