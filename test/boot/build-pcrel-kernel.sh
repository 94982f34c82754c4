#!/bin/bash
# Builds a ppc64le kernel with PC-relative addressing, for POWER10, from Debian's linux-source-7.2 package, once, and prints the
# folder that holds it: vmlinux, System.map and what modules built out of tree need.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/kernelBuild.sh"

# The kernel asks whether the compiler puts the nops of -fpatchable-function-entry behind the setup of r2; gcc before 13 puts
# them in front. Here no function sets r2 up, and both places are one: the answer is yes.
change_source() { printf '#!/bin/sh\nexit 0\n' >arch/powerpc/tools/check-fpatchable-function-entry.sh; }

configs=(ppc64le.config ppc64le-pcrel.config)
options=(LIVEPATCH MODULES KALLSYMS_ALL PPC_KERNEL_PCREL PPC_FTRACE_OUT_OF_LINE DYNAMIC_FTRACE_WITH_CALL_OPS HVC_CONSOLE PPC_PSERIES)
targets=(vmlinux modules_prepare)
keep=('crtsavres.*')
remove_more() { rm -rf tools; }
build_kernel ppc64le-pcrel linux-source-7.2 powerpc powerpc64le-linux-gnu-
