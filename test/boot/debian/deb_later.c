// SPDX-License-Identifier: MIT
/* Patches the distribution's pktgen, and reads a static string of it: what waits for it is written when it is loaded. */
#include "deb_common.h"

extern const char version[];

static int deb_pgctrl(struct seq_file *m, void *v)
{
	seq_puts(m, "deb_later: ");
	seq_puts(m, version);
	return 0;
}

static struct klp_func deb_funcs[] = { { .old_name = "pgctrl_show", .new_func = deb_pgctrl }, {} };
static struct klp_object deb_objs[] = { { .name = "pktgen", .funcs = deb_funcs }, {} };
DEB_PATCH(deb_objs);
