#!/bin/bash
# Fetches a Debian kernel with its modules and prints the folder that holds it: boot/vmlinu[xz]-RELEASE and lib/modules/RELEASE.
#   fetch-distro.sh ARCH SERIES [RELEASE]     ARCH: amd64, arm64 or ppc64el; SERIES: 6.1, 6.12 or 7.2
# The newest release of the series that can be had: the archive's index may name what is gone already. When it has none of the series
# any more, the next higher series takes its place. With RELEASE (6.12.95+deb12-amd64) that one and no other. Later runs find it in the
# cache and only print, without asking the archive.
# KLPLINK_CACHE says where to keep it (default: klplink in the user's cache folder).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/debian.sh"

arch=$1 series=$2 only=${3:-}
flavour=$arch
[[ $arch == ppc64el ]] && flavour=powerpc64le
final=$cache/debian/linux-$series-$arch${only:+-$only}

say() { echo "fetch-distro: $*" >&2; }

if [[ ! -d $final ]]; then
  mkdir -p "$cache/debian"
  exec 9>"$cache/debian/.lock-${final##*/linux-}"
  flock 9 # one fetches; who waited finds the result
fi
if [[ -d $final ]]; then
  echo "$final"
  exit
fi

work=$cache/debian/.unpacked-${final##*/linux-}
trap 'rm -rf "$work" "$work-modules"' EXIT

# has_modules FOLDER: sets `modules` to the folder named after the release below a lib/modules of FOLDER that holds modules.
has_modules() {
  local folder
  for folder in "$1"/lib/modules/*/ "$1"/usr/lib/modules/*/; do
    modules=${folder%/}
    [[ -z $(find "$folder" -type f -name '*.ko*' -print -quit 2>/dev/null) ]] || return 0
  done
  return 1
}

# take PACKAGE VERSION RELEASE: makes $final of it, or sets `why`. Where the kernel and its modules are differs: the kernel in boot or
# beside the modules, these below lib or usr/lib, in the kernel's own package or in linux-modules-RELEASE.
take() {
  local package=$1 version=$2 release=$3 kernel name modules=
  rm -rf "$work" "$work-modules"
  debian_unpack "$arch" "$work" "$package=$version" || { why=$debian_why; return 1; }
  kernel=$(find "$work" -type f -size +0 \( -name 'vmlinu[xz]' -o -name 'vmlinu[xz][-.]*' \) -print -quit)
  [[ -n $kernel ]] || { why="no kernel is in it"; return 1; }
  if ! has_modules "$work"; then
    name=linux-modules-$release
    debian_unpack "$arch" "$work-modules" "$name=$version" || { why="no modules are in it, and $name: $debian_why"; return 1; }
    has_modules "$work-modules" || { why="no modules are in it, nor in $name"; return 1; }
  fi
  release=${modules##*/}
  mkdir -p "$work/final/boot" "$work/final/lib/modules"
  name=${kernel##*/}
  mv "$kernel" "$work/final/boot/${name:0:7}-$release"
  mv -T "$modules" "$work/final/lib/modules/$release"
  mv -T "$work/final" "$final"
}

# kernels REGEX: a line `PACKAGE VERSION RELEASE` for each kernel of the series REGEX, the newest release first; of one release the
# package with the kernel alone first, then signed before unsigned.
kernels() {
  local package version release names
  local number="$1([.+~][0-9a-z.+~]*)?(-(rc)?[0-9][0-9a-z.+~]*)*" # 6.1.0-47, 6.12.95+deb12, 7.2.13+deb14
  mapfile -t names < <(debian_names "$arch" "linux-(binary|image)-(unsigned-)?$number-$flavour(-unsigned)?")
  debian_offers "$arch" "${names[@]}" | while read -r package version; do
    release=${package#linux-*-} release=${release#unsigned-} release=${release%-unsigned}
    [[ -n $only && $release != "$only" ]] || echo "$package $version $release"
  done | sort -k3,3rV -k1,1 -k2,2rV
}

debian_apt "$arch"
while :; do
  all=$(debian_names "$arch" "linux-(binary|image)-(unsigned-)?[0-9].*-$flavour(-unsigned)?") || { say "the archive's index cannot be read"; exit 1; }
  [[ -z $only ]] || all=$(grep -E -- "-$series[^0-9]" <<<"$all") || all=
  for number in $(debian_series "$series" <<<"$all"); do
    [[ $number == "$series" ]] || say "no kernel of $series for $arch can be had: $number takes its place"
    while read -r package version release; do
      [[ -n $package ]] || continue
      say "$package $version"
      if take "$package" "$version" "$release"; then
        say "taken: $package $version"
        echo "$final"
        exit
      fi
      say "$package $version not taken: $why"
    done <<<"$(kernels "${number//./\\.}")"
  done
  debian_reread "$arch" || break
  say "the index is read again"
done
if [[ -n $only ]]; then say "no kernel $only for $arch can be had"; else say "no kernel of $series for $arch, nor of a higher series, can be had"; fi
exit 1
