#!/bin/bash
# Makes a kernel's source ready to compile single files from, as they are in the kernel that the boot tests run, once, and prints the
# folder that holds it. Later runs find it in the cache and only print: a second or two.
#   prepare-source.sh ARCH     ppc64le, arm64: the kernels of build-kernel.sh and build-arm64-kernel.sh, from the same source and
#                              configuration, by the same compiler; x86_64: Debian's 6.12 of fetch-headers.sh, its source and
#                              configuration, with the compiler that is here; x86_64-own: the kernel of build-x86_64-kernel.sh
# The folder (below KLPLINK_CACHE, default: klplink in the user's cache folder; in `source`) is the clean source, without most drivers,
# other architectures and documentation, and has beside it
#   build         an output folder inside it, prepared (.config, generated headers, programs). Paths in it are relative, so
#                 source and build may be copied, hard-linked too, to any place together, and nothing is compiled again there
#   target        a link to the folder with Module.symvers, and System.map where the kernel is our own
#   make.args     the arguments for make, one a line: ARCH=…, CROSS_COMPILE=…, KCFLAGS=…
# So an object as `klplink diff` wants it, without touching what is in the cache:
#   cp -al FOLDER COPY; rm -r COPY/build; cp -a FOLDER/build COPY; mapfile -t args <FOLDER/make.args
#   make -C COPY O=build "${args[@]}" fs/proc/version.o         # -> COPY/build/fs/proc/version.o
# A file that is changed in a copy of hard links is first removed, then written; make writes to some of build in place, so that is copied. The
# folder itself is never changed.
set -euo pipefail
script=prepare-source.sh
source "$(dirname "${BASH_SOURCE[0]}")/kernelBuild.sh"

unpack_source() { # FOLDER SRCARCH
  # Kconfig and makefiles of all drivers stay, and what is asked for the list of system calls: all must come out as it is.
  tar -xJf "$tarball" -C "$1" --strip-components=1 --wildcards \
    --exclude='*/arch/*/boot/dts' --exclude='*/Documentation/*/*' --exclude='*/tools/testing' --exclude='*/tools/perf' \
    --exclude='*/sound/*.[ch]' --exclude='*/drivers/gpu/*.[ch]' --exclude='*/drivers/net/*.[ch]' --exclude='*/drivers/media/*.[ch]' \
    --exclude='*/drivers/staging/*.[ch]' --exclude='*/drivers/infiniband/*.[ch]' --exclude='*/drivers/scsi/*.[ch]'
  find "$1/arch" -type f ! -path "$1/arch/$2/*" ! -name 'Kconfig*' ! -name '*.tbl' -delete
  find "$1/arch" -type d -empty -delete
}

# What Debian's configuration has that this machine has no program for, and that changes no code.
without=(DEBUG_INFO_BTF DEBUG_INFO_BTF_MODULES RUST)

name=${1:?ARCH}
args=()
flags='-ffunction-sections -fdata-sections -g'
case $name in
ppc64le)
  target=$("$here/build-kernel.sh") srcarch=powerpc package=linux-source-6.1
  args=(ARCH=powerpc CROSS_COMPILE=powerpc64le-linux-gnu-) flags+=' -mcmodel=large'
  ;;
arm64)
  target=$("$here/build-arm64-kernel.sh") srcarch=arm64 package=linux-source-7.2
  args=(ARCH=arm64 CROSS_COMPILE=aarch64-linux-gnu-)
  ;;
x86_64-own)
  target=$("$here/build-x86_64-kernel.sh") srcarch=x86 package=linux-source-6.1
  args=(ARCH=x86_64 CROSS_COMPILE=x86_64-linux-gnu-)
  ;;
x86_64)
  kit=$("$here/fetch-headers.sh" amd64 6.12)
  target=$kit/build srcarch=x86 package=linux-source-6.12
  args=(ARCH=x86_64 CROSS_COMPILE=x86_64-linux-gnu-)
  ;;
*) echo "$script: ARCH is ppc64le, arm64, x86_64 or x86_64-own" >&2 && exit 2 ;;
esac
compiler=${args[1]#*=}gcc
args+=("KCFLAGS=$flags")
if [[ -n ${kit:-} ]]; then version=$(cat "$kit/release"); else version=${target##*/}; fi
version=${version%%[-+~]*}

folders=$cache/source
key=$({ declare -f unpack_source; declare -p args without; cat "$target/.config"; "$compiler" --version; } | sha256sum | cut -c1-12)
final=$folders/$version-$name-$key
if [[ ! -d $final ]]; then
  mkdir -p "$folders"
  exec 9>"$folders/.lock-$name"
  flock 9 # one at a time; who waited finds the result
fi
if [[ -d $final ]]; then
  echo "$final"
  exit
fi
[[ -z ${kit:-} || -f /usr/include/libelf.h ]] || { echo "$script: libelf.h not found: apt-get install libelf-dev" >&2; exit 1; }
rm -rf "$folders/preparing-$name".* # one that was killed left this
work=$(mktemp -d "$folders/preparing-$name.XXXXXX")
trap 'rm -rf "$work"' EXIT
tarball=$("$here/find-source.sh" "${package#linux-source-}" "$version")
echo "$script: $package $version for $name, a minute or two" >&2
unpack_source "$work" "$srcarch"
mkdir "$work/build"
cp "$target/.config" "$work/build/.config"
run() { make -C "$work" -s -j"$(nproc)" O=build "${args[@]}" "$@" >&2; }
if [[ -n ${kit:-} ]]; then
  for option in "${without[@]}"; do "$work/scripts/config" --file "$work/build/.config" -d "$option"; done
fi
run olddefconfig
run modules_prepare
run fs/proc/version.o # whole or not at all
rm "$work/build/fs/proc/version.o" "$work/build/fs/proc/.version.o.cmd"
ln -s "$target" "$work/target"
printf '%s\n' "${args[@]}" >"$work/make.args"
chmod 755 "$work"
mv -T "$work" "$final"
echo "$final"
