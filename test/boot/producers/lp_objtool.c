// SPDX-License-Identifier: MIT
/* As `objtool klp diff` leaves it: {place, symbol, type, 0} in __klp_relocs.OBJECT, and tombstones in the places themselves. */
#include <linux/stringify.h>
#include "lp_common.h"

extern int lp_tomb_1(struct seq_file *m, void *v) asm(".klp.tombstone.version_proc_show") __attribute__((weak));
extern long lp_tomb_2 asm(".klp.tombstone.lp_secret") __attribute__((weak));

static int (*lp_version_show)(struct seq_file *m, void *v) __used = lp_tomb_1;
static long *lp_secret_at __used = &lp_tomb_2;

asm(".pushsection __klp_relocs.vmlinux, \"a\"\n"
    "	.balign 8\n"
    "	.weak \".klp.sym.vmlinux.version_proc_show,1\"\n"
    "	.quad lp_version_show, \".klp.sym.vmlinux.version_proc_show,1\"\n"
    "	.long " __stringify(R_POINTER) ", 0\n"
    ".popsection\n"
    ".pushsection __klp_relocs.lp_target, \"a\"\n"
    "	.balign 8\n"
    "	.weak \".klp.sym.lp_target.lp_secret,0\"\n"
    "	.quad lp_secret_at, \".klp.sym.lp_target.lp_secret,0\"\n"
    "	.long " __stringify(R_POINTER) ", 0\n"
    ".popsection\n");

LP_PATCH(lp_objtool);
