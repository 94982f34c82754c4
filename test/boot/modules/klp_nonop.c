// SPDX-License-Identifier: MIT
/*
 * Replaces cmdline_proc_show (/proc/cmdline) by a function whose calls into vmlinux have no nop behind them: exported
 * ones (seq_puts, seq_put_decimal_ull, seq_printf), a global one that is not exported (seq_put_hex_ll) and a static one
 * (version_proc_show). After each call r2 is used, for data of the module or by the stub of the next call, so a TOC that was not restored shows.
 * seq_puts is called several times: its relocations compare equal, and the kernel's sort decides which call it names.
 */
#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/seq_file.h>

#include "formerly_local.h"

int version_proc_show(struct seq_file *m, void *v);

FORMERLY_LOCAL(void seq_printf(struct seq_file *m, const char *f, ...) {});
FORMERLY_LOCAL(void seq_puts(struct seq_file *m, const char *s) {});
FORMERLY_LOCAL(void seq_put_decimal_ull(struct seq_file *m, const char *delimiter, unsigned long long num) {});
FORMERLY_LOCAL(void seq_put_hex_ll(struct seq_file *m, const char *delimiter, unsigned long long v, unsigned int width) {});
FORMERLY_LOCAL(int version_proc_show(struct seq_file *m, void *v) { return 0; });

/* Volatile, and no section anchors: every use loads the address through r2 and then the value. */
static volatile unsigned long reads;
static volatile unsigned long mark = 0x6b6c706c696e6b21;
static volatile unsigned long after = 4711;
static volatile int last; /* 0, read after the last call */

static int klp_nonop_show(struct seq_file *m, void *v)
{
	seq_puts(m, "klp_nonop ");
	version_proc_show(m, v);
	seq_put_decimal_ull(m, "reads=", ++reads);
	seq_puts(m, " and ");
	seq_put_decimal_ull(m, "reads=", ++reads);
	seq_puts(m, ": ");
	seq_put_hex_ll(m, "mark=", mark, 0);
	seq_puts(m, " ");
	seq_printf(m, "after=%lu\n", after);
	return last;
}

static struct klp_func funcs[] = {
	{ .old_name = "cmdline_proc_show", .new_func = klp_nonop_show },
	{}
};

static struct klp_object objs[] = {
	{ .funcs = funcs },
	{}
};

static struct klp_patch patch = { .mod = THIS_MODULE, .objs = objs };

static int __init klp_nonop_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit klp_nonop_exit(void) {}

module_init(klp_nonop_init);
module_exit(klp_nonop_exit);
MODULE_DESCRIPTION("calls into vmlinux without a nop");
MODULE_LICENSE("Dual MIT/GPL");
MODULE_INFO(livepatch, "Y");
