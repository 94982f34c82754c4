#!/bin/bash
# Builds a 6.1 x86_64 kernel with clang's link-time optimisation, and a livepatch for two of its modules by `klplink build`, and boots both:
#   scripts/drivers/lto-build.sh [FOLDER]     FOLDER (default: a temporary one): source, kernel, the livepatch. What is there is not made again
# The configuration is that of the boot tests, with CONFIG_LTO_CLANG_THIN (LTO=FULL in the environment: _FULL) and modules of one file and of several.
# Needs clang and lld, by their plain names or with the version that CLANG names (CLANG=-14, the default; empty: none). Not a part of .ci/run;
# docs/build.md says what it showed. Of each step: the processor time of all that it started.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(mkdir -p "${1:-/tmp}" && readlink -f "${1:-$(mktemp -d)}")
source scripts/drivers/step.sh
clang=${CLANG--14}
for tool in clang ld.lld llvm-nm; do
  command -v "$tool$clang" >/dev/null || { echo "lto-build.sh: $tool$clang not found: apt-get install clang$clang lld$clang llvm$clang" >&2; exit 1; }
done
export KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970' KBUILD_BUILD_USER=klplink KBUILD_BUILD_HOST=klplink
node scripts/build.mjs --bundle
unpack_source linux-source-6.1
{ cat test/boot/x86_64.config; printf 'CONFIG_%s\n' "LTO_CLANG_${LTO:-THIN}=y" SAMPLES=y SAMPLE_KOBJECT=m CONFIGFS_FS=m SAMPLE_CONFIGFS=m; } >"$work/config"
run() { make -C "$work/source" -s LLVM="${clang:-1}" O="$work/kernel" "$@"; }
mkdir -p "$work/kernel"
run KCONFIG_ALLCONFIG="$work/config" allnoconfig
grep -q "^CONFIG_LTO_CLANG_${LTO:-THIN}=y" "$work/kernel/.config" || { echo 'lto-build.sh: clang, lld or the source do not do it' >&2; exit 1; }
step 'the kernel' run -j"$(nproc)" bzImage modules

export KLPLINK_CACHE=$work/cache
build=(node bin/klplink.js build --source "$work/source" -k "$work/kernel")
step 'klplink build, empty cache' "${build[@]}" scripts/drivers/lto-build.patch -o "$work/livepatch-lto-build.ko"
step 'klplink build, again' "${build[@]}" scripts/drivers/lto-build.patch -o "$work/livepatch-lto-build.ko"
# A file of the kernel itself is refused, by name.
"${build[@]}" scripts/drivers/kpatch-build.patch --dry-run && exit 1
DRIVERS_FOLDER=$work npx vitest run --config scripts/drivers/vitest.config.ts scripts/drivers/ltoBuild.test.ts
