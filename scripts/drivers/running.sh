#!/bin/bash
# Types the commands of docs/guide.md for the machine that runs the kernel in a machine that runs it: Debian's 6.1 kernel for amd64, booted under QEMU,
# with this machine's own root folder (Debian 12, with the compiler) below a file system of its own:
#   scripts/drivers/running.sh [FOLDER]     FOLDER (default: a temporary one): the cache of klplink, the console's text
# The source is copied and prepared here first, by klplink build of another patch, since an emulated machine would take long for it. What the guest writes is
# gone with it. Needs what .ci/run installs, and to be root. Not a part of .ci/run; docs/build.md says what it showed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(mkdir -p "${1:-/tmp}" && readlink -f "${1:-$(mktemp -d)}")
node scripts/build.mjs --bundle
DRIVERS_FOLDER=$work npx vitest run --config scripts/drivers/vitest.config.ts scripts/drivers/running.test.ts
