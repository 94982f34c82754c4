/* A module with debug information, for every architecture, without kernel headers: debuggers are asked about it. */
struct thing {
	int number;
	long weight;
};
extern long outside(long value);
struct thing things[2] = { { 1, 10 }, { 2, 20 } };
static volatile long hidden = 7;

__attribute__((noinline)) long weigh(int n)
{
	return things[n].weight + hidden;
}

__attribute__((noinline)) long twice(int n)
{
	return outside(weigh(n)) + weigh(n);
}

__attribute__((used, section(".modinfo"))) const char info[] = "license=GPL\0name=things\0vermagic=6.12.0";
/* What kbuild's linker scripts add. */
#ifdef __powerpc64__
asm(".pushsection .stubs,\"ax\"\n .balign 8\n .quad 0\n .popsection\n .pushsection .toc,\"aw\"\n .balign 8\n .quad 0\n .popsection\n");
#endif
#ifdef __aarch64__
asm(".pushsection .plt,\"ax\"\n .byte 0\n .popsection\n .pushsection .init.plt,\"ax\"\n .byte 0\n .popsection\n"
    ".pushsection .text.ftrace_trampoline,\"ax\"\n .byte 0\n .popsection\n");
#endif
