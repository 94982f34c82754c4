// SPDX-License-Identifier: MIT
/* No producer: undefined symbols, which klplink finds in vmlinux and in lp_target.ko. */
#include "lp_common.h"

extern int version_proc_show(struct seq_file *m, void *v);
extern long lp_secret;

static int (*lp_version_show)(struct seq_file *m, void *v) = version_proc_show;
static long *lp_secret_at = &lp_secret;

LP_PATCH(lp_plain);
