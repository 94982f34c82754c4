// SPDX-License-Identifier: MIT
/*
 * A module without kernel headers, so that it loads into any kernel of its architecture: what belongs to one kernel
 * (size of struct module, version magic) comes from a module of that kernel (own.ts). It has one of everything that the
 * loader treats in a way of its own.
 */
extern int _printk(const char *, ...);
extern void kfree(const void *);
extern void own_absent(int) __attribute__((weak));
extern unsigned long jiffies;
extern unsigned int nr_cpu_ids;

#define IN(name) __attribute__((section(name)))
#define USED __attribute__((used))

static unsigned long own_count IN(".data..percpu") USED = 5;
unsigned long own_other IN(".data..percpu") = 6;
unsigned int own_level IN(".data..ro_after_init") = 3;
static int own_start IN(".init.data") = 11;
static char own_buffer[100];
static const char *const own_names[] = { "one", "two", "three" };
int (*const own_table[])(const char *, ...) = { _printk, _printk };
void (*own_weak)(int) = own_absent;
unsigned long *own_percpu_pointers[] = { &own_count, &own_other };

USED const char own_modinfo[] IN(".modinfo") = "license=GPL\0name=" OWN_NAME "\0vermagic=" OWN_VERMAGIC;

__attribute__((noinline)) int own_twice(int value)
{
	own_buffer[value & 63]++;
	return own_weak ? value : value * 2 + (int)nr_cpu_ids;
}

__attribute__((noinline)) unsigned long own_sum(const unsigned long *values, unsigned long count)
{
	unsigned long sum = jiffies;

	while (count--)
		sum += values[count];
	return sum + (unsigned long)&own_other;
}

IN(".init.text") int init_module(void)
{
	unsigned long i;

	for (i = 0; i < 3; i++)
		_printk("\0016own: %s %d\n", own_names[i], own_twice(own_start));
	if (own_weak)
		own_absent(1);
	kfree((void *)0);
	return own_table[own_level & 1]("\0016own: %lx\n", (unsigned long)own_sum) < 0;
}

IN(".exit.text") void cleanup_module(void)
{
	_printk("\0016own: gone\n");
	kfree((void *)0);
}

/* struct module: the name at 24; where init and exit stand differs from kernel to kernel. */
asm(".pushsection .gnu.linkonce.this_module,\"aw\"\n"
    " .balign 64\n1: .zero 24\n .ascii \"" OWN_NAME "\"\n .org 1b + " OWN_INIT_AT "\n .quad init_module\n"
    " .org 1b + " OWN_EXIT_AT "\n .quad cleanup_module\n .org 1b + " OWN_STRUCT_SIZE "\n .popsection\n");

/* An exception table out of order. */
#define ENTRY(insn, fixup) " .long " insn " - .\n .long " fixup " - .\n .long 0\n"
asm(".pushsection __ex_table,\"a\"\n" ENTRY("own_sum + 8", "own_twice") ENTRY("own_twice + 8", "own_sum")
    ENTRY("own_sum + 4", "own_twice + 4") ENTRY("own_twice + 4", "own_sum + 12")
    ENTRY("own_sum", "own_twice + 8") " .popsection\n");

#ifdef __aarch64__
asm(".pushsection .text\n"
    "own_addresses: adr x0, own_twice\n ldr x1, own_literal\n movz x2, #:abs_g0_nc:own_buffer\n"
    " movk x2, #:abs_g1_nc:own_buffer\n movk x2, #:abs_g2_nc:own_buffer\n movk x2, #:abs_g3:own_buffer\n"
    " movn x3, #:prel_g0_nc:own_twice\n tbz x0, #3, own_twice\n cbz x0, own_sum\n ret\n .balign 8\n"
    "own_literal: .quad own_names - .\n .word own_names - .\n .popsection\n"
    ".pushsection .plt,\"ax\"\n .byte 0\n .popsection\n .pushsection .init.plt,\"ax\"\n .byte 0\n .popsection\n"
    ".pushsection .text.ftrace_trampoline,\"ax\"\n .byte 0\n .popsection\n"
    ".pushsection .init.text.ftrace_trampoline,\"ax\"\n .byte 0\n .popsection\n");
#endif
#ifdef __x86_64__
asm(".pushsection .text\n"
    "own_addresses: movq $own_names, %rax\n leaq own_buffer(%rip), %rcx\n movabsq $own_sum, %rdx\n"
    " movl own_count(%rax), %esi\n call own_twice\n jmp _printk\n .balign 8\n"
    " .quad own_names - .\n .long own_names - .\n .popsection\n");
#endif
