// SPDX-License-Identifier: MIT
/*
 * A module with one of everything that the loader treats in a way of its own: per-CPU data, init and exit code and
 * data, data that becomes read-only, weak symbols, exports, an exception table out of order, jump labels, bug entries,
 * calls that share a stub and calls that do not, function pointers.
 */
#include <linux/bug.h>
#include <linux/init.h>
#include <linux/jump_label.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

static DEFINE_PER_CPU(u64, varied_count);
static DEFINE_PER_CPU(u64, varied_other) = 7;
static DEFINE_STATIC_KEY_FALSE(varied_key);
static DEFINE_STATIC_KEY_TRUE(varied_true_key);

extern void varied_absent(int) __attribute__((weak));
/* In data: arm64 compilers take the address of a weak symbol from a GOT, which modules do not have. */
static void (*volatile varied_perhaps)(int) = varied_absent;
int varied_twice(int value);
long varied_peek(const long *from);

static unsigned int varied_level __ro_after_init = 3;
static int varied_start __initdata = 11;
module_param(varied_level, uint, 0444);

static char *varied_names[] = { "one", "two", "three" };
static int (*const varied_table[])(const char *, ...) = { _printk, _printk };

noinline int varied_twice(int value)
{
	this_cpu_inc(varied_count);
	if (static_branch_unlikely(&varied_key))
		pr_info("varied: key %d\n", value);
	if (static_branch_likely(&varied_true_key))
		value += this_cpu_read(varied_other);
	return value * 2;
}
EXPORT_SYMBOL_GPL(varied_twice);

noinline long varied_peek(const long *from)
{
	long value = 0;

	if (get_kernel_nofault(value, from))
		return -EFAULT;
	if (WARN_ON_ONCE(value == 0x1234567))
		return 1;
	return value;
}
EXPORT_SYMBOL(varied_peek);

static noinline void *varied_copy(const char *text, size_t length)
{
	char *copy = kmalloc(length + 1, GFP_KERNEL);

	if (copy) {
		memcpy(copy, text, length);
		copy[length] = 0;
		if (strlen(copy) != length)
			memset(copy, 0, length);
	}
	return copy;
}

static int __init varied_init(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(varied_names); i++)
		kfree(varied_copy(varied_names[i], strlen(varied_names[i])));
	if (varied_perhaps)
		varied_perhaps(varied_start);
	varied_table[varied_level & 1]("varied: %d %ld\n", varied_twice(varied_start), varied_peek((long *)&varied_level));
	return 0;
}

static void __exit varied_exit(void)
{
	varied_table[0]("varied: gone\n");
}

module_init(varied_init);
module_exit(varied_exit);
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("One of everything that the module loader treats in a way of its own");
