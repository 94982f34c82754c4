// SPDX-License-Identifier: MIT
/* Annotated for klp-convert, v1 to v7 of the series: packed entries {symbol, position}, one section an object. */
#include "lp_common.h"

extern int version_proc_show(struct seq_file *m, void *v);
extern long lp_secret;

static int (*lp_version_show)(struct seq_file *m, void *v) = version_proc_show;
static long *lp_secret_at = &lp_secret;

struct klp_module_reloc {
	void *sym;
	unsigned int sympos;
} __packed;

static struct klp_module_reloc lp_of_vmlinux[] __attribute__((used, section(".klp.module_relocs.vmlinux"))) = {
	{ .sym = version_proc_show, .sympos = 1 },
};
static struct klp_module_reloc lp_of_target[] __attribute__((used, section(".klp.module_relocs.lp_target"))) = {
	{ .sym = &lp_secret, .sympos = 0 },
};

LP_PATCH(lp_convert);
