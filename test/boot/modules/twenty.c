// SPDX-License-Identifier: MIT
/*
 * Twenty functions that share .text: jump tables, exception-table entries, a warning that the kernel looks up in
 * __bug_table, loops, recursion, pointers, labels as values. /proc/twenty tells what they compute. The module loads as it is;
 * move.test.ts moves its functions apart, and what it tells must stay the same.
 */
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

#define KEEP static __attribute__((noipa))

static volatile long own[8] = { 2, 4, 8, 16, 32, 64, 128, 256 };

KEEP long callee(long x)
{
	return x * 7 + own[x & 7];
}

/* -fno-jump-tables is the kernel's own choice in some builds: these functions ask for them. */
#define TABLE(n)                                                                                                       \
	KEEP __attribute__((optimize("jump-tables"))) long f##n##_switch(long x, long y)                               \
	{                                                                                                              \
		switch (x) {                                                                                           \
		case 0:                                                                                                \
			return callee(y) + own[n & 7];                                                                 \
		case 1:                                                                                                \
			return y * n;                                                                                  \
		case 2:                                                                                                \
			return callee(y + x) - 1;                                                                      \
		case 3:                                                                                                \
			return own[y & 7] << 2;                                                                        \
		case 4:                                                                                                \
			return callee(y + 1) * callee(y + 2);                                                          \
		case 5:                                                                                                \
			return callee(x) ^ n;                                                                          \
		case 6:                                                                                                \
			return y - x;                                                                                  \
		case 7:                                                                                                \
			return callee(x) + own[x & 7];                                                                 \
		default:                                                                                               \
			return -n;                                                                                     \
		}                                                                                                      \
	}
#define LOOP(n)                                                                                                        \
	KEEP long f##n##_loop(long x)                                                                                  \
	{                                                                                                              \
		long i, sum = own[n & 7];                                                                              \
                                                                                                                       \
		for (i = 0; i < x; i++)                                                                                \
			sum = sum * 3 + callee(i + n);                                                                 \
		return sum + own[x & 7];                                                                               \
	}
/* A word of the reader's memory: the read faults, or does not. */
#define USER(n)                                                                                                        \
	KEEP long f##n##_user(unsigned long at)                                                                        \
	{                                                                                                              \
		int value = 0;                                                                                         \
		long error = get_user(value, (int __user *)at);                                                        \
                                                                                                                       \
		return error ? error * n + own[n & 7] : own[n & 7];                                                    \
	}

TABLE(1)
LOOP(2)
USER(3)
TABLE(4)
LOOP(5)
USER(6)
TABLE(7)
LOOP(8)
USER(9)
TABLE(10)
LOOP(11)
USER(12)
TABLE(13)

KEEP long f14_warn(long x)
{
	WARN_ON_ONCE(x == 5);
	return own[x & 7];
}

KEEP long f15_labels(long x)
{
	static const int steps[] = { &&a - &&a, &&b - &&a, &&c - &&a };
	goto *(&&a + steps[x % 3]);
a:
	return callee(x) + 1;
b:
	return own[x & 7] + callee(2);
c:
	return callee(x) - 3;
}

KEEP long f16_recursive(long x)
{
	return x <= 0 ? callee(1) : f16_recursive(x - 1) * 3 + own[x & 7];
}

static long (*const pointers[])(long) = { f2_loop, f5_loop, f8_loop, f11_loop, f15_labels, f16_recursive };

KEEP long f17_pointers(long x)
{
	long sum = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(pointers); i++)
		sum = sum * 31 + pointers[i](x);
	return sum;
}

KEEP long f18_tail(long x)
{
	return callee(x + own[1]);
}

static int f19_show(struct seq_file *m, void *v)
{
	unsigned long good = current->mm->start_stack;
	long x;

	for (x = 0; x < 9; x++) {
		seq_printf(m, "%lx %lx %lx %lx %lx", f1_switch(x, 3), f4_switch(x, x), f7_switch(x, 5), f10_switch(8 - x, 2),
			   f13_switch(x, 1));
		seq_printf(m, " %lx %lx %lx\n", f14_warn(x), f17_pointers(x), f18_tail(x));
	}
	seq_printf(m, "%ld %ld %ld %ld\n", f3_user(16), f6_user(good), f9_user(-4096UL), f12_user(good));
	return 0;
}

static int __init f20_init(void)
{
	return proc_create_single("twenty", 0, NULL, f19_show) ? 0 : -ENOMEM;
}

static void __exit twenty_exit(void)
{
	remove_proc_entry("twenty", NULL);
}

module_init(f20_init);
module_exit(twenty_exit);
MODULE_DESCRIPTION("functions that share a section");
MODULE_LICENSE("Dual MIT/GPL");
