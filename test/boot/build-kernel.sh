#!/bin/bash
# Builds the ppc64le kernel of the boot tests from Debian's linux-source-6.1 package, once, and prints the folder that holds
# it: vmlinux, System.map and what modules built out of tree need. Later runs find it in the cache and only print.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/kernelBuild.sh"

configs=(ppc64le.config ppc64le-labels.config)
options=(LIVEPATCH MODULES KALLSYMS_ALL DYNAMIC_FTRACE_WITH_REGS JUMP_LABEL DEBUG_BUGVERBOSE HVC_CONSOLE PPC_PSERIES)
targets=(vmlinux modules_prepare)
keep=('crtsavres.*')
remove_more() { rm -rf tools; }
build_kernel ppc64le linux-source-6.1 powerpc powerpc64le-linux-gnu-
