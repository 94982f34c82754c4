#!/bin/bash
# Runs Debian's kpatch-build as it is, with klplink in the place of create-diff-object and create-klp-module, and `klplink build`, each twice with
# the same patch and source, and boots what comes of the last two:
#   scripts/drivers/kpatch-build.sh [FOLDER]     FOLDER (default: a temporary one): source, tools, log, the modules
# The kernel is that of the boot tests (test/boot/build-x86_64-kernel.sh, 6.1). kpatch-build compiles all of it before the first patch, with
# debug information. Needs what .ci/run installs, and gawk, patchutils, kmod. Not a part of .ci/run; docs/producers.md says what it showed, and
# docs/performance.md how long it took.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
root=$PWD
work=$(mkdir -p "${1:-/tmp}" && readlink -f "${1:-$(mktemp -d)}")
source=$work/source patch=$root/scripts/drivers/kpatch-build.patch
source scripts/drivers/step.sh
for tool in gawk lsdiff modprobe; do command -v "$tool" >/dev/null || { echo "kpatch-build.sh: $tool not found: apt-get install gawk patchutils kmod" >&2; exit 1; }; done
kernel=$(test/boot/build-x86_64-kernel.sh)
package=$(test/boot/fetch-package.sh amd64 kpatch-build)
node scripts/build.mjs --bundle

# The driver finds its programs beside itself: two of them are links to klplink, or start kpatch's own with the C library that they need.
for name in klplink own; do
  mkdir -p "$work/$name/bin" "$work/$name/lib/kpatch" "$work/$name/share"
  cp "$package/usr/bin/kpatch-build" "$work/$name/bin/"
  cp "$package/usr/lib/kpatch/kpatch-cc" "$work/$name/lib/kpatch/"
  ln -sfn "$package/usr/share/kpatch" "$work/$name/share/kpatch"
done
for tool in create-diff-object create-klp-module; do ln -sf "$root/bin/klplink.js" "$work/klplink/lib/kpatch/$tool"; done
for program in "$(test/tools/create-diff-object.sh)" "$(test/tools/original-tools.sh)/create-klp-module"; do
  printf '#!/bin/sh\nexec %q "$@"\n' "$program" >"$work/own/lib/kpatch/${program##*/}"
  chmod +x "$work/own/lib/kpatch/${program##*/}"
done

# Of the same version as the kernel.
version=$(basename "$kernel")
unpack_source linux-source-6.1 "$(test/boot/find-source.sh 6.1 "${version%%-*}")"

build() {
  KLPLINK_CACHE=$work/cache bin/klplink.js build "$patch" --name drivers --source "$source" -k "$kernel" -o "$work/build/livepatch-drivers.ko"
}
mkdir -p "$work/build"
step 'klplink build, empty cache' build
step 'klplink build, again' build

# kpatch-build asks for debug information, which changes no code.
{ grep -v CONFIG_DEBUG_INFO "$kernel/.config"; echo CONFIG_DEBUG_KERNEL=y; echo CONFIG_DEBUG_INFO_DWARF4=y; } >"$source/.config"
step 'kpatch-build: the source configured' make -s -C "$source" olddefconfig
# Of struct sizes it reads those from vmlinux's debug information that nobody states: this vmlinux has none.
export ALT_STRUCT_SIZE=12 BUG_STRUCT_SIZE=12 EX_STRUCT_SIZE=12 ORC_STRUCT_SIZE=6 STATIC_CALL_STRUCT_SIZE=8
# kpatch FOLDER: a build by the driver of that folder, and its module there
kpatch() {
  CACHEDIR=$work/$1/cache PATH=$work/$1/bin:$PATH kpatch-build -s "$source" -c "$source/.config" -v "$kernel/vmlinux" -n livepatch-drivers \
    -o "$work/$1" "$patch"
}
# The compiler's path is the driver's own, so kbuild compiles all of the kernel again for the second driver.
for way in 'klplink:klplink in the place of its tools' 'own:as it is'; do
  step "kpatch-build, ${way#*:}, the kernel not built yet" kpatch "${way%%:*}"
  step "kpatch-build, ${way#*:}, again" kpatch "${way%%:*}"
done
for made in build klplink own; do
  bin/klplink.js check "$work/$made/livepatch-drivers.ko" -k "$kernel/vmlinux"
  echo "in the kernel: $made/livepatch-drivers.ko"
  DRIVERS_KERNEL=$kernel/arch/x86/boot/bzImage DRIVERS_MODULE=$work/$made/livepatch-drivers.ko \
    npx vitest run --config scripts/drivers/vitest.config.ts scripts/drivers/boot.test.ts
done
