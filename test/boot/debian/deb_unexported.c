// SPDX-License-Identifier: MIT
/* Calls a static function of vmlinux and reads a variable that it does not export: both must wait for vmlinux. */
#include "deb_common.h"

extern int version_proc_show(struct seq_file *m, void *v);
extern char *saved_command_line;

static int deb_cmdline(struct seq_file *m, void *v)
{
	seq_puts(m, "deb_unexported: ");
	return version_proc_show(m, v);
}

static int deb_filesystems(struct seq_file *m, void *v)
{
	seq_printf(m, "deb_unexported: %s\n", saved_command_line);
	return 0;
}

static struct klp_func deb_funcs[] = {
	{ .old_name = "cmdline_proc_show", .new_func = deb_cmdline },
	{ .old_name = "filesystems_proc_show", .new_func = deb_filesystems },
	{}
};
static struct klp_object deb_objs[] = { { .funcs = deb_funcs }, {} };
DEB_PATCH(deb_objs);
