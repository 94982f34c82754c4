#!/bin/bash
# Runs Debian's kpatch-build with klplink in the place of create-diff-object and create-klp-module, and boots what comes of it:
#   scripts/drivers/kpatch-build.sh [FOLDER]     FOLDER (default: a temporary one): source, tools, log, the module
# The kernel is that of the boot tests (test/boot/build-x86_64-kernel.sh, 6.1), so the driver compiles only the folder that the patch
# changes. Needs what .ci/run installs, and gawk, patchutils, kmod. Not a part of .ci/run; docs/producers.md says what it showed.
# Of each step: the processor time of all that it started.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
root=$PWD
work=$(mkdir -p "${1:-/tmp}" && readlink -f "${1:-$(mktemp -d)}")
source scripts/drivers/step.sh
mkdir -p "$work/source" "$work/kp/bin" "$work/kp/lib/kpatch" "$work/kp/share"
for tool in gawk lsdiff modprobe; do command -v "$tool" >/dev/null || { echo "kpatch-build.sh: $tool not found: apt-get install gawk patchutils kmod" >&2; exit 1; }; done
kernel=$(test/boot/build-x86_64-kernel.sh)
package=$(test/boot/fetch-package.sh amd64 kpatch-build)
node scripts/build.mjs --bundle

# The driver finds its programs beside itself: two of them are links to klplink.
cp "$package/usr/bin/kpatch-build" "$work/kp/bin/"
cp "$package/usr/lib/kpatch/kpatch-cc" "$work/kp/lib/kpatch/"
ln -sfn "$package/usr/share/kpatch" "$work/kp/share/kpatch"
for tool in create-diff-object create-klp-module; do ln -sf "$root/bin/klplink.js" "$work/kp/lib/kpatch/$tool"; done

if [[ ! -f $work/source/Makefile ]]; then
  # Of the same version as the kernel.
  version=$(basename "$kernel") version=${version%%-x86_64-*}
  tar -xJf "$(ls "${KLPLINK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/klplink}/debian/linux-source-6.1-$version-amd64"/usr/src/linux-source-*.tar.xz)" \
    -C "$work/source" --strip-components=1 --wildcards --exclude='*/arch/*/boot/dts' --exclude='*/Documentation/*/*' --exclude='*/tools/testing'
fi
cp "$kernel/Module.symvers" "$work/source/"
# kpatch-build asks for debug information, which changes no code.
{ grep -v CONFIG_DEBUG_INFO "$kernel/.config"; echo CONFIG_DEBUG_KERNEL=y; echo CONFIG_DEBUG_INFO_DWARF4=y; } >"$work/source/.config"
step 'the source prepared' make -s -C "$work/source" olddefconfig modules_prepare
# Of struct sizes it reads those from vmlinux's debug information that nobody states: this vmlinux has none.
export ALT_STRUCT_SIZE=12 BUG_STRUCT_SIZE=12 EX_STRUCT_SIZE=12 ORC_STRUCT_SIZE=6 STATIC_CALL_STRUCT_SIZE=8
export CACHEDIR=$work/cache
PATH=$work/kp/bin:$PATH step 'kpatch-build, of fs/proc/ alone' kpatch-build -s "$work/source" -c "$work/source/.config" -v "$kernel/vmlinux" -t fs/proc/ \
  --skip-cleanup -n livepatch-drivers -o "$work" scripts/drivers/kpatch-build.patch
bin/klplink.js check "$work/livepatch-drivers.ko" -k "$kernel/vmlinux"
DRIVERS_KERNEL=$kernel/arch/x86/boot/bzImage DRIVERS_MODULE=$work/livepatch-drivers.ko npx vitest run --config scripts/drivers/vitest.config.ts scripts/drivers/boot.test.ts
