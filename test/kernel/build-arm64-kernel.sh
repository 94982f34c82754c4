#!/bin/bash
# Builds the arm64 kernel of the livepatch boot tests from Debian's linux-source-7.2 package (arm64 has livepatch only in newer
# kernels), once, and prints the folder that holds it: vmlinux, arch/arm64/boot/Image and what modules built out of tree need.
# Later runs find it in the cache. KLPLINK_CACHE says where to keep it (default: klplink in the user's cache folder).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/debian.sh"
cross=aarch64-linux-gnu-

need() { # COMMAND PACKAGE
  command -v "$1" >/dev/null || { echo "build-arm64-kernel: $1 not found: apt-get install $2" >&2; exit 1; }
}
need "${cross}gcc" gcc-aarch64-linux-gnu
need gcc gcc
need make make
need bc bc
need bison bison
need flex flex
need flock util-linux
need perl perl
need xz xz-utils

recipe=$({ cat "$here/arm64.config" "${BASH_SOURCE[0]}"; "${cross}gcc" --version; } | sha256sum | cut -c1-12)
kernels=$cache/kernel
mkdir -p "$kernels"
exec 9>"$kernels/.lock-arm64"
flock 9 # one builder at a time; who waited finds the result

final=$(find "$kernels" -maxdepth 1 -name "7.2.*-arm64-$recipe" | sort -V | tail -1)
if [[ -z $final || ! -f $final/System.map ]]; then
  package=$("$here/fetch-package.sh" amd64 linux-source-7.2)
  version=${package##*/linux-source-7.2-}
  final=$kernels/${version%-amd64}-arm64-$recipe
  rm -rf "$kernels"/building-arm64.* # a builder that was killed left this
  work=$(mktemp -d "$kernels/building-arm64.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  tree=$work/linux
  {
    echo "build-arm64-kernel: linux-source-7.2 ${version%-amd64}, a few minutes"
    mkdir "$tree"
    tar -xJf "$package/usr/src/linux-source-7.2.tar.xz" -C "$tree" --strip-components=1 --wildcards \
      --exclude='*/arch/*/boot/dts' --exclude='*/Documentation/*/*' --exclude='*/tools/testing' --exclude='*/drivers/gpu/drm/amd/include'
    run() {
      make -C "$tree" -s -j"$(nproc)" ARCH=arm64 CROSS_COMPILE="$cross" \
        KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970' KBUILD_BUILD_USER=klplink KBUILD_BUILD_HOST=klplink "$@"
    }
    run KCONFIG_ALLCONFIG="$here/arm64.config" allnoconfig
    for option in LIVEPATCH MODULES KALLSYMS_ALL DYNAMIC_FTRACE_WITH_ARGS SERIAL_AMBA_PL011_CONSOLE; do
      grep -q "^CONFIG_$option=y" "$tree/.config" || { echo "build-arm64-kernel: CONFIG_$option is not set" >&2; exit 1; }
    done
    run Image vmlinux modules_prepare
    cp "$tree/vmlinux.symvers" "$tree/Module.symvers"
    # Keep what modules are built with: makefiles, scripts, headers, the results.
    cd "$tree"
    rm -rf block crypto Documentation drivers fs init io_uring ipc lib LICENSES mm net rust samples security sound tools usr virt kernel certs vmlinux.o vmlinux.a built-in.a vmlinux.unstripped
    find arch -mindepth 1 -maxdepth 1 ! -name arm64 -exec rm -rf {} +
    find arch/arm64 -type f ! -path '*/include/*' ! -name 'Makefile*' ! -name 'Kbuild*' ! -name Image -delete
    find . -name '.tmp_vmlinux*' -delete
    find . -name '*.cmd' ! -path './scripts/*' -delete
  } >&2
  rm -rf "$final"
  mv "$tree" "$final"
fi
echo "$final"
