// SPDX-License-Identifier: MIT
/* Says everything that klplink.h knows words for, in both families' names. Only compiled: glue.test.ts reads the object. */
#include <linux/module.h>
#include <linux/static_call.h>
#include <linux/syscalls.h>
#include "kpatch-macros.h"
#include "kpatch-syscall.h"
#include <linux/livepatch_helpers.h>

static int before(struct klp_object *object)
{
	return object->name ? -EINVAL : 0;
}

static void after(patch_object *object)
{
	KPATCH_PRINTK("notes: after %s\n", object->name);
	KPATCH_PRINTK_DEFERRED("notes: deferred\n");
}

KPATCH_PRE_PATCH_CALLBACK(before);
KPATCH_POST_PATCH_CALLBACK(after);
KPATCH_PRE_UNPATCH_CALLBACK(after);
KPATCH_POST_UNPATCH_CALLBACK(after);
KLP_PRE_PATCH_CALLBACK(before);
KLP_POST_PATCH_CALLBACK(after);
KLP_PRE_UNPATCH_CALLBACK(after);
KLP_POST_UNPATCH_CALLBACK(after);

KPATCH_IGNORE_SECTION(".data.limits");
KPATCH_IGNORE_FUNCTION(after);
KLPLINK_IGNORE_FUNCTION(before);
KLPLINK_IGNORE_DATA(limits);
KLPLINK_IGNORE_SECTION(".data..once");
KLPLINK_PAIR("show:count.2", "show:count.4");
KLPLINK_PAIR("state", "state");
KLPLINK_STATE(42, 3);
KLPLINK_STATE(0x100000000, 1);

static int answer(int n)
{
	return n + 1;
}
DEFINE_STATIC_CALL(notes_call, answer);

int notes_ask(int n);
int notes_ask(int n)
{
	return KPATCH_STATIC_CALL(notes_call)(n) + KLP_STATIC_CALL(notes_call)(n);
}

KPATCH_SYSCALL_DEFINE1(notes_one, int, n)
{
	return n;
}

KPATCH_SYSCALL_DEFINE3(notes_three, int, a, int, b, int, c)
{
	return a + b + c;
}

KLP_SYSCALL_DEFINE2(notes_two, int, a, int, b)
{
	return a + b;
}

#ifdef UNSAFE
KPATCH_FORCE_UNSAFE(after);
#endif

MODULE_DESCRIPTION("what klplink.h has words for");
MODULE_LICENSE("Dual MIT/GPL");
