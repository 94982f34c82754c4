#!/bin/bash
# Fetches one Debian package of any architecture and suite and prints the folder in which it is unpacked.
#   fetch-package.sh ARCH PACKAGE
# Later runs find it in the cache and only print. KLPLINK_CACHE says where (default: klplink in the user's cache folder).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/debian.sh"

arch=$1 package=$2
debian_apt "$arch"
version=$(apt-cache "${apt[@]}" show --no-all-versions "$package" | sed -n 's/^Version: //p' | head -1)
[[ -n $version ]] || { echo "fetch-package: the archive has no package $package for $arch" >&2; exit 1; }
final=$cache/debian/$package-${version#*:}-$arch
[[ -d $final ]] || echo "fetch-package: $package $version" >&2
debian_unpack "$arch" "$final" "$package=$version"
echo "$final"
