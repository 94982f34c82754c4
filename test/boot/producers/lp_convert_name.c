// SPDX-License-Identifier: MIT
/* For the klp-convert of 2024 (v3): the symbol's name says everything. */
#include "lp_common.h"

extern int lp_version(struct seq_file *m, void *v) asm(".klp.sym.rela.vmlinux.vmlinux.version_proc_show.1");
extern long lp_state asm(".klp.sym.rela.lp_target.lp_target.lp_secret.0");

static int (*lp_version_show)(struct seq_file *m, void *v) = lp_version;
static long *lp_secret_at = &lp_state;

LP_PATCH(lp_convert_name);
