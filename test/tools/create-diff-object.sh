#!/bin/bash
# Fetches kpatch's create-diff-object, and prints a program that starts it. It is Debian's (package kpatch-build of trixie or sid), for x86_64,
# and reads objects of all architectures; it is started with that suite's C library.
# KLPLINK_CACHE says where to keep it (default: klplink in the user's cache folder).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
fetch=$here/../boot/fetch-package.sh
final=${KLPLINK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/klplink}/create-diff-object-$(sha256sum "${BASH_SOURCE[0]}" | cut -c1-12)
if [[ ! -d $final ]]; then
  work=$(mktemp -d "$final-building-XXXXXX")
  trap 'rm -rf "$work"' EXIT
  mkdir "$work/lib"
  for package in libc6 'libelf1t64 libelf1' zlib1g libzstd1; do
    # shellcheck disable=SC2086 # a package and its other name
    folder=$("$fetch" amd64 $package)
    find "$folder" -path '*/lib/x86_64-linux-gnu/*.so.*' -exec cp -L {} "$work/lib/" \;
  done
  package=$("$fetch" amd64 kpatch-build)
  cp "$package/usr/lib/kpatch/create-diff-object" "$work/program"
  basename "$package" >"$work/version"
  cat >"$work/create-diff-object" <<'END'
#!/bin/sh
here=$(dirname "$0")
exec "$here/lib/ld-linux-x86-64.so.2" --library-path "$here/lib" "$here/program" "$@"
END
  chmod +x "$work/create-diff-object"
  mv -T "$work" "$final" 2>/dev/null || [[ -d $final ]]
fi
echo "$final/create-diff-object"
