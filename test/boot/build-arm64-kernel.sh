#!/bin/bash
# Builds the arm64 kernel of the livepatch boot tests from Debian's linux-source-7.2 package (arm64 has livepatch only in newer
# kernels), once, and prints the folder that holds it: vmlinux, arch/arm64/boot/Image and what modules built out of tree need.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/kernelBuild.sh"

configs=(arm64.config)
options=(LIVEPATCH MODULES KALLSYMS_ALL DYNAMIC_FTRACE_WITH_ARGS DEBUG_BUGVERBOSE SERIAL_AMBA_PL011_CONSOLE)
targets=(Image vmlinux modules_prepare)
keep=(Image)
remove_more() { rm -rf tools; }
build_kernel arm64 linux-source-7.2 arm64 aarch64-linux-gnu-
