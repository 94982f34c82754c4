#!/bin/bash
# Finds a kernel's packed source of Debian and prints its path: the machine's own, else one that was fetched before, else from the archive.
#   find-source.sh SERIES VERSION     6.12 6.12.117: that upstream version; when it cannot be had, with a word on it, the newest
# KLPLINK_CACHE says where what is fetched stays (default: klplink in the user's cache folder).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/debian.sh"

package=linux-source-$1 wanted=$2
tarball=/usr/src/$package.tar.xz
if [[ -f $tarball && $(dpkg-query -W -f '${Version}' "$package") == "$wanted"[-+~]* ]]; then
  echo "$tarball"
  exit
fi
folder=$(find "$cache/debian" -maxdepth 1 -name "$package-$wanted[-+~]*-amd64" 2>/dev/null | sort -V | tail -n 1)
if [[ -z $folder ]]; then
  while read -r _ version; do
    [[ $version == "$wanted"[-+~]* ]] || continue
    folder=$cache/debian/$package-$version-amd64
    debian_unpack amd64 "$folder" "$package=$version" && break
    folder=
  done <<<"$(debian_offers amd64 "$package")"
fi
if [[ -z $folder ]]; then
  folder=$("$here/fetch-package.sh" amd64 "$package")
  echo "find-source: the archive has no $package of $wanted; instead: ${folder##*/}" >&2
fi
ls "$folder"/usr/src/linux-source-*.tar.xz
