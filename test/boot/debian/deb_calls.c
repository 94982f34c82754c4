// SPDX-License-Identifier: MIT
/* Calls functions of deb_target, a static one and an exported one, and reads a static variable of it: in code that is loaded before it. */
#include "deb_common.h"

extern int deb_twice(int n);
extern int deb_next(int n);
extern int deb_state;

static int deb_target(struct seq_file *m, void *v)
{
	seq_printf(m, "deb_calls %d %d %d\n", deb_twice(21), deb_next(42), deb_state);
	return 0;
}

static struct klp_func deb_funcs[] = { { .old_name = "deb_target_show", .new_func = deb_target }, {} };
static struct klp_object deb_objs[] = { { .name = "deb_target", .funcs = deb_funcs }, {} };
DEB_PATCH(deb_objs);
