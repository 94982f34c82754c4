#!/bin/bash
# By hand: the patch sites of a distribution's vmlinux itself, with that of its -dbg package (1 GB to fetch, 350 MB kept in
# the cache): counted, and compared with the kernel as it runs. The modules are those that distroSites.test.ts always takes.
#   debug-sites.sh ARCH     ARCH: amd64, arm64 or ppc64el
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
source "$here/debian.sh"

arch=$1
case $arch in
  amd64) title=x86_64 ;;
  arm64) title=arm64 ;;
  ppc64el) title=ppc64le ;;
  *) echo "debug-sites: no architecture $arch" >&2; exit 2 ;;
esac
root=$("$here/fetch-distro.sh" "$arch" 6.12)
release=$(ls "$root/lib/modules")
vmlinux=$cache/debian/vmlinux-$release
if [[ ! -f $vmlinux ]]; then
  debian_apt "$arch"
  work=$(mktemp -d "$cache/debian/debug.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  (cd "$work" && apt-get "${apt[@]}" -q download "linux-image-$release-dbg")
  dpkg-deb --fsys-tarfile "$work"/*.deb | tar -x -C "$work" --wildcards '*/vmlinux' '*/vmlinux-*' 2>/dev/null || true # one of the two is not there
  found=$(find "$work" -type f \( -name vmlinux -o -name 'vmlinux-*' \) -print -quit)
  [[ -n $found ]] || { echo "debug-sites: no vmlinux in linux-image-$release-dbg" >&2; exit 1; }
  mv "$found" "$vmlinux"
fi
KLPLINK_SITES_ROOT=$root KLPLINK_SITES_VMLINUX=$vmlinux \
  npx vitest run --config vitest.boot.config.ts "$here/distroSites.test.ts" -t "$title"
