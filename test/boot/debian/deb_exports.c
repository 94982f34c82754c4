// SPDX-License-Identifier: MIT
/* Needs nothing that vmlinux does not export. */
#include "deb_common.h"

static int deb_cmdline(struct seq_file *m, void *v)
{
	seq_puts(m, "deb_exports\n");
	return 0;
}

static struct klp_func deb_funcs[] = { { .old_name = "cmdline_proc_show", .new_func = deb_cmdline }, {} };
static struct klp_object deb_objs[] = { { .funcs = deb_funcs }, {} };
DEB_PATCH(deb_objs);
