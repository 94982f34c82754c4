// SPDX-License-Identifier: MIT
/* As kpatch's create-diff-object leaves it (kpatch-build/kpatch-intermediate.h). */
#include "lp_common.h"

static int (*lp_version_show)(struct seq_file *m, void *v);
static long *lp_secret_at;

struct kpatch_symbol {
	unsigned long src, sympos;
	unsigned char bind, type;
	char *name, *objname;
};

struct kpatch_relocation {
	unsigned long dest;
	unsigned int type;
	int external;
	long addend;
	char *objname;
	struct kpatch_symbol *ksym;
};

#define IN(name) __attribute__((used, section(name)))

static char lp_vmlinux[] IN(".kpatch.strings") = "vmlinux";
static char lp_object[] IN(".kpatch.strings") = "lp_target";
static char lp_name_1[] IN(".kpatch.strings") = "version_proc_show";
static char lp_name_2[] IN(".kpatch.strings") = "lp_secret";

static struct kpatch_symbol lp_symbols[] IN(".kpatch.symbols") = {
	{ .sympos = 1, .bind = 0, .type = 2, .name = lp_name_1, .objname = lp_vmlinux },
	{ .sympos = 1, .bind = 0, .type = 1, .name = lp_name_2, .objname = lp_object },
};

static struct kpatch_relocation lp_relocations[] IN(".kpatch.relocations") = {
	{ .dest = (unsigned long)&lp_version_show, .type = R_POINTER, .objname = lp_vmlinux, .ksym = &lp_symbols[0] },
	{ .dest = (unsigned long)&lp_secret_at, .type = R_POINTER, .objname = lp_object, .ksym = &lp_symbols[1] },
};

LP_PATCH(lp_kpatch);
