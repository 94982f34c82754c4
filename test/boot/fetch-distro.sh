#!/bin/bash
# Fetches a Debian kernel with its modules and prints the folder that holds it: boot/vmlinu[xz]-RELEASE and lib/modules/RELEASE.
#   fetch-distro.sh ARCH SERIES     ARCH: amd64, arm64 or ppc64el; SERIES: 6.1, 6.12 or 7.2
# The newest release of the series, as the archive has it at the first fetch; later runs find it in the cache and only print.
# KLPLINK_CACHE says where to keep it (default: klplink in the user's cache folder).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/debian.sh"

arch=$1 series=$2
flavour=$arch
[[ $arch == ppc64el ]] && flavour=powerpc64le
final=$cache/debian/linux-$series-$arch

if [[ ! -d $final ]]; then
  mkdir -p "$cache/debian"
  exec 9>"$cache/debian/.lock-$series-$arch"
  flock 9 # one fetches; who waited finds the result
fi
if [[ ! -d $final ]]; then
  number="${series//./\\.}\\.[0-9.]+" # 6.12.95
  if [[ $series == 6.1 ]]; then
    packages=("$(debian_newest "$arch" "linux-image-6\\.1\\.0-[0-9]+-$flavour")")
  elif [[ ${series%%.*} -lt 7 ]]; then
    packages=("$(debian_newest "$arch" "linux-image-$number(\\+deb[0-9]+)?-$flavour")")
  else
    binary=$(debian_newest "$arch" "linux-binary-(unsigned-)?$number(\\+deb[0-9]+)?-$flavour")
    packages=("$binary" "linux-modules-${binary#"${binary%%[0-9]*}"}")
  fi
  echo "fetch-distro: ${packages[*]}" >&2
  work=$cache/debian/.unpacked-$series-$arch
  rm -rf "$work"
  debian_unpack "$arch" "$work" "${packages[@]}"
  # One form for all: newer packages have the modules, and the newest the kernel too, under usr/lib/modules.
  if [[ ! -d $work/lib/modules ]]; then
    mkdir -p "$work/lib" "$work/boot"
    mv "$work/usr/lib/modules" "$work/lib/modules"
    release=$(ls "$work/lib/modules")
    for name in vmlinux vmlinuz vmlinuz.unsigned; do
      kernel=$work/lib/modules/$release/$name
      [[ ! -f $kernel ]] || mv "$kernel" "$work/boot/${name%.unsigned}-$release"
    done
  fi
  compgen -G "$work/boot/vmlinu*" >/dev/null || { echo "fetch-distro: no kernel in ${packages[*]}" >&2; exit 1; }
  rm -rf "$work/usr"
  mv -T "$work" "$final"
fi
echo "$final"
