#!/bin/bash
# Builds the x86_64 kernel of the livepatch boot tests from Debian's linux-source-6.1 package, once, and prints the folder that
# holds it: vmlinux, arch/x86/boot/bzImage and what modules built out of tree need.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/kernelBuild.sh"
[[ -f /usr/include/libelf.h ]] || { echo "build-x86_64-kernel: libelf.h not found: apt-get install libelf-dev" >&2; exit 1; }

configs=(x86_64.config)
options=(LIVEPATCH MODULES KALLSYMS_ALL DYNAMIC_FTRACE_WITH_REGS SERIAL_8250_CONSOLE UNWINDER_ORC)
targets=(bzImage vmlinux modules_prepare)
keep=(bzImage)
remove_more() { find tools -type f ! -path 'tools/objtool/objtool' -delete; }
build_kernel x86_64 linux-source-6.1 x86_64 x86_64-linux-gnu-
