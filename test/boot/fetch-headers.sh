#!/bin/bash
# Fetches what modules for a Debian kernel are built with, and prints a folder that holds
#   build      the build folder, for make -C
#   kernel     the kernel that they are for, as fetch-distro.sh prints it
#   release    its release
#   fetch-headers.sh ARCH SERIES     as for fetch-distro.sh, whose kernel is taken if the headers for it can be had; else another
#                                    release of the series (or the next higher one), of which kernel and headers can be had
# The packages' own programs (modpost, objtool) may need a newer C library than this machine has: they are started with one that is
# fetched with them. Later runs find it in the cache and only print. KLPLINK_CACHE says where (default: klplink in the user's cache folder).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/debian.sh"

arch=$1 series=$2
flavour=$arch
[[ $arch == ppc64el ]] && flavour=powerpc64le
final=$cache/debian/headers-$series-$arch

say() { echo "fetch-headers: $*" >&2; }

finished() { [[ -f $final/release && -d $final/kernel/lib/modules/$(cat "$final/release") ]]; }

if ! finished; then
  mkdir -p "$cache/debian"
  exec 9>"$cache/debian/.lock-headers-$series-$arch"
  flock 9 # one fetches; who waited finds the result
fi
if finished; then
  echo "$final"
  exit
fi

work=$cache/debian/.unpacked-headers-$series-$arch
trap 'rm -rf "$work"' EXIT

# unpack RELEASE: the headers of a release in $work, or sets `why`. They consist of three packages: those of the flavour, which name
# the other two, what all flavours have in common, and the programs.
unpack() {
  local release=$1 package=linux-headers-$1 version depends common kbuild with
  why="the archive has no $package"
  while read -r _ version; do
    [[ -n $version ]] || continue
    depends=$(apt-cache "${apt[@]}" show "$package=$version" | sed -n 's/^Depends: //p' | grep -oE 'linux-(headers|kbuild)-[^ ,(:]+') || depends=
    common=$(grep -m 1 -E -- '-common$' <<<"$depends") || common=
    kbuild=$(grep -m 1 -E '^linux-kbuild-' <<<"$depends") || kbuild=
    [[ -n $common && -n $kbuild ]] || { why="$package $version does not name its other packages"; continue; }
    while read -r _ with; do
      [[ -n $with ]] || continue
      rm -rf "$work"
      say "$package $version, $common $version, $kbuild $with"
      debian_unpack "$arch" "$work" "$package=$version" "$common=$version" "$kbuild=$with" && return 0
      why=$debian_why
      say "not taken: $why"
    done <<<"$(debian_offers "$arch" "$kbuild")"
  done <<<"$(debian_offers "$arch" "$package")"
  return 1
}

# start_here: programs below $work that this machine's C library is too old for are started with a newer one.
start_here() {
  local program libc= loader own
  while read -r program; do
    [[ $(ldd "$program" 2>&1 || true) == *GLIBC_*' not found'* ]] || continue
    if [[ -z $libc ]]; then
      libc=$("$here/fetch-package.sh" "$(dpkg --print-architecture)" libc6)
      loader=$(find "$libc" -name 'ld-linux*.so.*' -print -quit)
      mkdir "$work/libc"
      find "$(dirname "$loader")" -maxdepth 1 -name '*.so*' -exec cp -L {} "$work/libc/" \;
      cp -L "$loader" "$work/libc/loader"
      own=/lib/$(gcc -print-multiarch):/usr/lib/$(gcc -print-multiarch)
    fi
    mv "$program" "$program.program"
    {
      echo '#!/bin/sh'
      echo "exec '$final/libc/loader' --library-path '$final/libc:$own' '${program/#"$work"/$final}.program' \"\$@\""
    } >"$program"
    chmod +x "$program"
  done < <(find "$work/usr/lib" -type f -perm -u+x -exec sh -c 'head -c 4 "$1" | grep -q ELF' sh {} \; -print)
}

# finish RELEASE KERNEL
finish() {
  local release=$1 kernel=$2 headers=$work/usr/src/linux-headers-$1 file
  for file in "$headers/Makefile" "$headers/.kernelvariables"; do
    sed -i "s# */usr/src/linux-headers-# $final/usr/src/linux-headers-#;s#= $final#=$final#" "$file"
  done
  start_here
  ln -s "usr/src/linux-headers-$release" "$work/build"
  ln -s "$kernel" "$work/kernel"
  echo "$release" >"$work/release"
  rm -rf "$final"
  mv -T "$work" "$final"
  say "taken: $release"
  echo "$final"
  exit
}

kernel=$("$here/fetch-distro.sh" "$arch" "$series")
first=$(ls "$kernel/lib/modules")
debian_apt "$arch"
if unpack "$first"; then finish "$first" "$kernel"; fi
say "no headers for $first: $why"
all=$(debian_names "$arch" "linux-headers-[0-9].*-$flavour")
for number in $(debian_series "$series" <<<"$all"); do
  for release in $(grep -E "^linux-headers-${number//./\\.}([.+~][0-9a-z.+~]*)?(-(rc)?[0-9][0-9a-z.+~]*)*-$flavour\$" <<<"$all" | sed 's/^linux-headers-//' | sort -rV); do
    [[ $release != "$first" ]] || continue
    unpack "$release" || { say "no headers for $release: $why"; continue; }
    kernel=$("$here/fetch-distro.sh" "$arch" "$number" "$release") || continue
    finish "$release" "$kernel"
  done
done
say "no release of $series for $arch, nor of a higher series, of which kernel and headers can be had"
exit 1
