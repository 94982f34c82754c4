#!/bin/bash
# Builds the kernel of the boot tests from Debian's linux-source package, once, and prints the folder that holds it:
# vmlinux, System.map and what modules built out of tree need. Later runs find it in the cache and only print.
# KLPLINK_CACHE says where to keep it (default: klplink in the user's cache folder).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
package=linux-source-6.1
tarball=/usr/src/$package.tar.xz
cross=powerpc64le-linux-gnu-

need() { # COMMAND PACKAGE
  command -v "$1" >/dev/null || { echo "build-kernel: $1 not found: apt-get install $2" >&2; exit 1; }
}
need "${cross}gcc" gcc-powerpc64le-linux-gnu
need gcc gcc
need make make
need bc bc
need bison bison
need flex flex
need flock util-linux
need perl perl
need xz xz-utils
[[ -f $tarball ]] || { echo "build-kernel: $tarball not found: apt-get install $package" >&2; exit 1; }

version=$(dpkg-query -W -f '${Version}' "$package")
recipe=$({ cat "$here/ppc64le.config" "${BASH_SOURCE[0]}"; "${cross}gcc" --version; } | sha256sum | cut -c1-12)
kernels=${KLPLINK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/klplink}/kernel
final=$kernels/$version-ppc64le-$recipe

if [[ ! -f $final/System.map ]]; then
  mkdir -p "$kernels"
  exec 9>"$kernels/.lock"
  flock 9 # one builder at a time; who waited finds the result
fi
if [[ ! -f $final/System.map ]]; then
  rm -rf "$kernels"/building.* # a builder that was killed left this
  work=$(mktemp -d "$kernels/building.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  tree=$work/linux
  {
    echo "build-kernel: $package $version, a few minutes"
    mkdir "$tree"
    # Other architectures' device trees, documentation and test programs are a third of the files and not needed.
    tar -xJf "$tarball" -C "$tree" --strip-components=1 --wildcards \
      --exclude='*/arch/*/boot/dts' --exclude='*/Documentation/*/*' --exclude='*/tools/testing' --exclude='*/drivers/gpu/drm/amd/include'
    run() {
      make -C "$tree" -s -j"$(nproc)" ARCH=powerpc CROSS_COMPILE="$cross" \
        KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970' KBUILD_BUILD_USER=klplink KBUILD_BUILD_HOST=klplink "$@"
    }
    run KCONFIG_ALLCONFIG="$here/ppc64le.config" allnoconfig
    for option in LIVEPATCH MODULES KALLSYMS_ALL DYNAMIC_FTRACE_WITH_REGS HVC_CONSOLE PPC_PSERIES; do
      grep -q "^CONFIG_$option=y" "$tree/.config" || { echo "build-kernel: CONFIG_$option is not set" >&2; exit 1; }
    done
    run vmlinux modules_prepare
    cp "$tree/vmlinux.symvers" "$tree/Module.symvers"

    # Keep what modules are built with: makefiles, scripts and their programs, headers, the results.
    cd "$tree"
    rm -rf block crypto Documentation drivers fs init io_uring ipc lib LICENSES mm net rust samples security sound usr virt kernel certs tools vmlinux.o vmlinux.a built-in.a
    find arch -mindepth 1 -maxdepth 1 ! -name powerpc -exec rm -rf {} +
    find arch/powerpc -type f ! -path '*/include/*' ! -name 'Makefile*' ! -name 'Kbuild*' ! -name 'crtsavres.*' -delete
    find . -name '.tmp_vmlinux*' -delete
    find . -name '*.cmd' ! -path './scripts/*' -delete
  } >&2
  rm -rf "$final"
  mv "$tree" "$final"
fi
echo "$final"
