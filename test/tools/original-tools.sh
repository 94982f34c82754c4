#!/bin/bash
# The tools whose place klplink takes, and prints the folder that holds them: `create-klp-module` of kpatch and the kernel's
# `objtool` with `klp post-link`. Once; later runs find them in the cache.
# kpatch's tool is Debian's (package kpatch-build of trixie or sid, started with that suite's C library). Debian builds objtool
# without `klp`, so objtool is built from package linux-source-7.2: tools/ alone, in half a minute.
# KLPLINK_CACHE says where to keep them (default: klplink in the user's cache folder).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
fetch=$here/../boot/fetch-package.sh
final=${KLPLINK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/klplink}/original-tools-$(sha256sum "${BASH_SOURCE[0]}" | cut -c1-12)

need() { # FILE PACKAGE
  [[ -e $1 ]] || command -v "$1" >/dev/null || { echo "original-tools: $1 not found: apt-get install $2" >&2; exit 1; }
}

if [[ ! -d $final ]]; then
  mkdir -p "$final-building"
  exec 9>"$final-building/.lock"
  flock 9 # one builder at a time; who waited finds the result
fi
if [[ ! -d $final ]]; then
  need gcc gcc
  need make make
  need xz xz-utils
  need /usr/include/libelf.h libelf-dev
  need /usr/include/xxhash.h libxxhash-dev
  work=$final-building/work
  rm -rf "$work"
  mkdir -p "$work/lib"
  for package in libc6 'libelf1t64 libelf1' zlib1g libzstd1; do
    # shellcheck disable=SC2086 # a package and its other name
    folder=$("$fetch" amd64 $package)
    find "$folder" -path '*/lib/x86_64-linux-gnu/*.so.*' -exec cp -L {} "$work/lib/" \;
  done
  cp "$("$fetch" amd64 kpatch-build)/usr/lib/kpatch/create-klp-module" "$work/create-klp-module.bin"
  cat >"$work/create-klp-module" <<'EOF'
#!/bin/sh
here=$(dirname "$0")
exec "$here/lib/ld-linux-x86-64.so.2" --library-path "$here/lib" "$here/create-klp-module.bin" "$@"
EOF
  chmod +x "$work/create-klp-module"
  source=$("$fetch" amd64 linux-source-7.2)
  source=$(ls "$source"/usr/src/linux-source-*.tar.xz)
  top=$(basename "$source" .tar.xz)
  mkdir "$work/linux"
  tar -xJf "$source" -C "$work/linux" --strip-components=1 --wildcards "$top/tools/*" "$top/scripts/*" \
    "$top/arch/x86/lib/*" "$top/arch/x86/tools/*" --exclude='*/tools/testing' --exclude='*/tools/perf'
  make -s -C "$work/linux/tools/objtool" >&2
  cp "$work/linux/tools/objtool/objtool" "$work/objtool"
  rm -rf "$work/linux"
  [[ $("$work/objtool" klp 2>&1 || true) == *post-link* ]] || { echo "original-tools: objtool was built without klp" >&2; exit 1; }
  "$work/create-klp-module" --help >/dev/null
  mv -T "$work" "$final"
  rm -rf "$final-building"
fi
echo "$final"
