#!/bin/bash
# Builds the x86_64 kernel of the livepatch boot tests from Debian's linux-source package, once, and prints the folder that
# holds it: vmlinux, arch/x86/boot/bzImage and what modules built out of tree need. Later runs find it in the cache.
# KLPLINK_CACHE says where to keep it (default: klplink in the user's cache folder).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
package=linux-source-6.1
tarball=/usr/src/$package.tar.xz

need() { # COMMAND PACKAGE
  command -v "$1" >/dev/null || { echo "build-x86_64-kernel: $1 not found: apt-get install $2" >&2; exit 1; }
}
need x86_64-linux-gnu-gcc gcc-x86-64-linux-gnu
need gcc gcc
need make make
need bc bc
need bison bison
need flex flex
need flock util-linux
need xz xz-utils
[[ -f $tarball ]] || { echo "build-x86_64-kernel: $tarball not found: apt-get install $package" >&2; exit 1; }
[[ -f /usr/include/libelf.h ]] || { echo "build-x86_64-kernel: libelf.h not found: apt-get install libelf-dev" >&2; exit 1; }

version=$(dpkg-query -W -f '${Version}' "$package")
recipe=$({ cat "$here/x86_64.config" "${BASH_SOURCE[0]}"; x86_64-linux-gnu-gcc --version; } | sha256sum | cut -c1-12)
kernels=${KLPLINK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/klplink}/kernel
final=$kernels/$version-x86_64-$recipe

if [[ ! -f $final/System.map ]]; then
  mkdir -p "$kernels"
  exec 9>"$kernels/.lock-x86_64"
  flock 9 # one builder at a time; who waited finds the result
fi
if [[ ! -f $final/System.map ]]; then
  rm -rf "$kernels"/building-x86_64.* # a builder that was killed left this
  work=$(mktemp -d "$kernels/building-x86_64.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  tree=$work/linux
  {
    echo "build-x86_64-kernel: $package $version, a few minutes"
    mkdir "$tree"
    tar -xJf "$tarball" -C "$tree" --strip-components=1 --wildcards \
      --exclude='*/arch/*/boot/dts' --exclude='*/Documentation/*/*' --exclude='*/tools/testing' --exclude='*/drivers/gpu/drm/amd/include'
    run() {
      make -C "$tree" -s -j"$(nproc)" ARCH=x86_64 CROSS_COMPILE=x86_64-linux-gnu- \
        KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970' KBUILD_BUILD_USER=klplink KBUILD_BUILD_HOST=klplink "$@"
    }
    run KCONFIG_ALLCONFIG="$here/x86_64.config" allnoconfig
    for option in LIVEPATCH MODULES KALLSYMS_ALL DYNAMIC_FTRACE_WITH_REGS SERIAL_8250_CONSOLE UNWINDER_ORC; do
      grep -q "^CONFIG_$option=y" "$tree/.config" || { echo "build-x86_64-kernel: CONFIG_$option is not set" >&2; exit 1; }
    done
    run bzImage vmlinux modules_prepare
    cp "$tree/vmlinux.symvers" "$tree/Module.symvers"
    # Keep what modules are built with: makefiles, scripts, objtool, headers, the results.
    cd "$tree"
    rm -rf block crypto Documentation drivers fs init io_uring ipc lib LICENSES mm net rust samples security sound usr virt kernel certs vmlinux.o vmlinux.a built-in.a
    find arch -mindepth 1 -maxdepth 1 ! -name x86 -exec rm -rf {} +
    find arch/x86 -type f ! -path '*/include/*' ! -name 'Makefile*' ! -name 'Kbuild*' ! -name bzImage -delete
    find tools -type f ! -path 'tools/objtool/objtool' -delete
    find . -name '.tmp_vmlinux*' -delete
    find . -name '*.cmd' ! -path './scripts/*' -delete
  } >&2
  rm -rf "$final"
  mv "$tree" "$final"
fi
echo "$final"
