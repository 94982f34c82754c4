#!/bin/bash
# Runs the klp-build of Linux 7.2 with klplink in the place of objtool's klp steps, and with objtool itself, compares what comes of the two, and
# boots it:
#   scripts/drivers/klp-build.sh [FOLDER]     FOLDER (default: a temporary one): source, kernel, the modules. What is there is not made again
# The configuration is that of the boot tests, with a module (CONFIG_SAMPLE_KOBJECT). klp-build builds the kernel, and what the patch changes; the
# kernel that is booted is the one that it built. Needs what .ci/run installs, and gawk, patchutils, libxxhash-dev. Not a part of .ci/run;
# docs/producers.md says what it showed. Of each step: the processor time of all that it started.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
root=$PWD
work=$(mkdir -p "${1:-/tmp}" && readlink -f "${1:-$(mktemp -d)}")
source=$work/source kernel=$work/kernel
source scripts/drivers/step.sh
for tool in gawk:gawk recountdiff:patchutils flex:flex bison:bison bc:bc; do
  command -v "${tool%:*}" >/dev/null || { echo "klp-build.sh: ${tool%:*} not found: apt-get install ${tool#*:}" >&2; exit 1; }
done
[[ -f /usr/include/xxhash.h ]] || { echo "klp-build.sh: xxhash.h not found: apt-get install libxxhash-dev" >&2; exit 1; }
export KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970' KBUILD_BUILD_USER=klplink KBUILD_BUILD_HOST=klplink
node scripts/build.mjs --bundle

unpack_source linux-source-7.2
if [[ ! -f $source/.config ]]; then
  { cat test/boot/x86_64.config; printf 'CONFIG_%s\n' SAMPLES=y SAMPLE_KOBJECT=m; } >"$work/config"
  make -s -C "$source" KCONFIG_ALLCONFIG="$work/config" allnoconfig
fi

# One variable of the script says which program it is.
sed "s|^OBJTOOL=.*|OBJTOOL=$root/bin/klplink.js|" "$source/scripts/livepatch/klp-build" >"$source/scripts/livepatch/klp-build-klplink"
chmod +x "$source/scripts/livepatch/klp-build-klplink"
run() { # SCRIPT NAME ARGUMENT...: the module, and the objects that were taken out for it
  (cd "$source" && "scripts/livepatch/$1" -T "${@:3}" -o "$work/livepatch-$2.ko")
  # The folder is made anew by each run from step 4 on.
  rm -rf "$work/taken-$2" && cp -r "$source/klp-tmp/4-diff" "$work/taken-$2"
}
patch=$root/scripts/drivers/klp-build.patch
# Without -S klp-build removes what was built and builds the kernel, each time. -S 2 is the way to go on from that build with another patch, -S 3
# from both builds; so what each of the two takes is the difference.
[[ -f $source/klp-tmp/2-patched/.complete ]] ||
  step 'klp-build, klplink in the place of objtool' run klp-build-klplink klplink "$patch"
if [[ ! -f $kernel/vmlinux ]]; then
  step 'bzImage of the kernel before' make -s -C "$source" -j"$(nproc)" KLP_SYMIDS=1 KBUILD_MODPOST_WARN=1 \
    KCFLAGS='-ffunction-sections -fdata-sections' bzImage modules
  mkdir -p "$kernel"
  for file in arch/x86/boot/bzImage samples/kobject/kobject-example.ko Module.symvers System.map .config; do cp "$source/$file" "$kernel/"; done
  cp "$source/klp-tmp/1-orig/vmlinux" "$kernel/"
fi
step 'klp-build, objtool for all steps, the kernel built before (-S 2)' run klp-build objtool -S 2 "$patch"
step 'klp-build, klplink in the place of objtool, the kernel built before (-S 2)' run klp-build-klplink klplink -S 2 "$patch"
step 'klp-build, klplink for all steps, from the two builds (-S 3)' run klp-build-klplink klplink -S 3
# From the same two builds, the objects that klplink took out, and the module before its last step.
step 'klp-build, objtool for the last step alone (-S 5)' run klp-build mixed -S 5
step 'klp-build, objtool for all steps, from the two builds (-S 3)' run klp-build objtool -S 3
build() {
  KLPLINK_CACHE=$work/cache bin/klplink.js build "$patch" --name build --source "$source" -k "$kernel" -m "$kernel/kobject-example.ko" \
    -o "$work/livepatch-build.ko"
}
step 'klplink build, empty cache' build
step 'klplink build, again' build
for module in klplink mixed objtool build; do bin/klplink.js check "$work/livepatch-$module.ko" -k "$kernel/vmlinux" -m "$kernel/kobject-example.ko"; done
DRIVERS_FOLDER=$work npx vitest run --config scripts/drivers/vitest.config.ts scripts/drivers/klpBuild.test.ts
