/* SPDX-License-Identifier: MIT */
/*
 * Plays the kernel for livepatch modules under user-mode emulation: loads ppc64le relocatable objects, each with a TOC
 * of its own, the way the module loader does (sections placed, a stub for each call that leaves the module, the word
 * behind such a call checked and made "ld r2,24(r1)"), turns calls of B into calls of P at B's profiling call, and runs
 * a function with every register that a callee must keep filled with a pattern.
 *
 *   kernel [option...] FUNCTION module.o...
 *     patch=B:P      B's profiling call leads to P
 *     handler=NAME   what stands between them: livepatch (the livepatch stack), cr4 (only notes r2 - LR at CR+4 of the
 *                    caller's frame, as solution 1 of March 2016), mini (klp_return_helper and a 32-byte frame), plain
 *                    (nothing at all)
 *     klp-stubs      the loader routes calls without a nop through a klp_stub of its own, as proposed in October 2017
 *     unchecked      a call without a nop is no error; nothing is restored behind it
 *     offset=N       N is the argument of FUNCTION
 *
 * Prints the result, what FUNCTION logged, and which registers were lost. Exit status: 0 run, 2 refused, 3 usage.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

typedef uint64_t u64;
typedef uint32_t u32;

#define SHN_LIVEPATCH 0xff20
#define MAX 32
#define ARENA (32 << 20)
#define NOP 0x60000000u
#define LD_R2 0xe8410018u
#ifndef R_PPC64_ENTRY
#define R_PPC64_ENTRY 118
#endif

struct module {
	const char *name;
	u64 toc;
	u64 *at; /* address of each section, 0 if it is not loaded */
	Elf64_Ehdr *ehdr;
	Elf64_Shdr *shdrs;
	Elf64_Sym *syms;
	u32 count;
	const char *strings;
};

static struct module modules[MAX];
static int nmodules;
static unsigned char *arena, *brk_;
static int unchecked, klp_stubs;

/* The two fields that livepatch_handler needs: thread_info behind r13, and the livepatch stack pointer in it. */
struct thread_info {
	u64 pad[4];
	u64 livepatch_sp;
};
static struct thread_info thread;
static u64 livepatch_stack[3 * 64];
__thread struct thread_info *paca_thread_info __attribute__((tls_model("local-exec"))) = &thread;

static void *take(u64 size, u64 align)
{
	if (align < 8)
		align = 8;
	brk_ = (unsigned char *)(((u64)brk_ + align - 1) & ~(align - 1));
	void *p = brk_;
	brk_ += size;
	if (brk_ > arena + ARENA)
		exit(3);
	return p;
}

static u64 value_of(struct module *m, Elf64_Sym *s)
{
	return s->st_shndx == SHN_ABS ? s->st_value : m->at[s->st_shndx] + s->st_value;
}

static int is_defined(Elf64_Sym *s)
{
	return s->st_shndx != SHN_UNDEF && s->st_shndx < SHN_LORESERVE;
}

/* Functions of the "kernel" itself. */
int klp_log(const char *format, ...);
int klp_frames(void);
u64 klp_stack(void);
static struct { const char *name; void *at; } own[] = {
	{ "klp_log", klp_log }, { "klp_frames", klp_frames }, { "klp_stack", klp_stack }, { "memcpy", memcpy },
};

static u64 find(const char *name, int locals)
{
	for (int m = 0; m < nmodules; m++)
		for (u32 i = 1; i < modules[m].count; i++) {
			Elf64_Sym *s = &modules[m].syms[i];
			if (!is_defined(s) || strcmp(modules[m].strings + s->st_name, name))
				continue;
			if (locals || ELF64_ST_BIND(s->st_info) != STB_LOCAL)
				return value_of(&modules[m], s);
		}
	for (unsigned i = 0; i < sizeof own / sizeof *own; i++)
		if (!strcmp(own[i].name, name))
			return (u64)own[i].at;
	return 0;
}

static u64 must_find(const char *name)
{
	u64 at = find(name, 1);
	if (!at) {
		fprintf(stderr, "Unknown symbol %s\n", name);
		exit(2);
	}
	return at;
}

/* The nearest named symbol at or before an address: what the kernel's stack check goes by. */
static const char *charge(u64 at, u64 *offset)
{
	const char *best = "?";
	u64 start = 0;
	for (int m = 0; m < nmodules; m++)
		for (u32 i = 1; i < modules[m].count; i++) {
			Elf64_Sym *s = &modules[m].syms[i];
			const char *name = modules[m].strings + s->st_name;
			if (!is_defined(s) || !modules[m].at[s->st_shndx] || !*name || !strncmp(name, ".L", 2))
				continue;
			if (ELF64_ST_TYPE(s->st_info) == STT_SECTION)
				continue;
			u64 v = value_of(&modules[m], s);
			Elf64_Shdr *h = &modules[m].shdrs[s->st_shndx];
			if (at < modules[m].at[s->st_shndx] || at >= modules[m].at[s->st_shndx] + h->sh_size)
				continue;
			if (v <= at && v >= start) {
				start = v;
				best = name;
			}
		}
	*offset = at - start;
	return best;
}

static void load(const char *path)
{
	struct module *m = &modules[nmodules++];
	int fd = open(path, O_RDONLY);
	struct stat st;
	if (fd < 0 || fstat(fd, &st))
		exit(3);
	unsigned char *file = malloc(st.st_size);
	if (read(fd, file, st.st_size) != st.st_size)
		exit(3);
	close(fd);
	m->name = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	m->ehdr = (Elf64_Ehdr *)file;
	m->shdrs = (Elf64_Shdr *)(file + m->ehdr->e_shoff);
	m->at = calloc(m->ehdr->e_shnum, sizeof *m->at);
	const char *names = (char *)file + m->shdrs[m->ehdr->e_shstrndx].sh_offset;
	take(0, 65536);
	brk_ += 0x100000; /* no two modules share a TOC */
	for (int i = 1; i < m->ehdr->e_shnum; i++) {
		Elf64_Shdr *s = &m->shdrs[i];
		int is_toc = !strcmp(names + s->sh_name, ".toc");
		if (s->sh_type == SHT_SYMTAB) {
			m->syms = (Elf64_Sym *)(file + s->sh_offset);
			m->count = s->sh_size / sizeof *m->syms;
			m->strings = (char *)file + m->shdrs[s->sh_link].sh_offset;
		}
		if (!(s->sh_flags & SHF_ALLOC) || s->sh_type == SHT_RELA)
			continue;
		void *p = take(s->sh_size, is_toc && s->sh_addralign < 256 ? 256 : s->sh_addralign);
		if (s->sh_type != SHT_NOBITS)
			memcpy(p, file + s->sh_offset, s->sh_size);
		m->at[i] = (u64)p;
		if (is_toc)
			m->toc = ((u64)p & ~255ul) + 0x8000;
	}
	if (!m->toc)
		m->toc = (u64)take(0, 256) + 0x8000;
}

static u32 *stub(u64 target, u64 toc)
{
	u64 *slot = take(8, 8);
	*slot = target;
	long d = (long)((u64)slot - toc);
	u32 *p = take(28, 8);
	p[0] = 0x3d620000 | (((d + 0x8000) >> 16) & 0xffff); /* addis r11,r2,HA */
	p[1] = 0x396b0000 | (d & 0xffff); /* addi r11,r11,LO */
	p[2] = 0xf8410018; /* std r2,24(r1) */
	p[3] = 0xe98b0000; /* ld r12,0(r11) */
	p[4] = 0x7d8903a6; /* mtctr r12 */
	p[5] = 0x4e800420; /* bctr */
	return p;
}

static u32 *klp_stub(u64 target, u64 toc)
{
	static const u32 before[] = { 0xe96c0020, 0x396b0018, 0xf96c0020, 0x3d8057ac, 0x618c6e9d, 0xf98bfff8, 0xf84bffe8,
				      0x7d8802a6, 0xf98bfff0 };
	static const u32 after[] = { 0xe98bfff0, 0x7d8803a6, 0xe84bffe8, 0x396bffe8 };
	u64 *slot = take(8, 8), tp;
	*slot = target;
	long d = (long)((u64)slot - toc);
	asm("mr %0,13" : "=r"(tp));
	u32 *start = take(128, 8), *p = start;
	u32 thread = 0xe98d0000 | (((u64)&paca_thread_info - tp) & 0xffff); /* ld r12,thread_info(r13) */
	*p++ = thread;
	for (unsigned i = 0; i < sizeof before / 4; i++)
		*p++ = before[i];
	*p++ = 0x3d620000 | (((d + 0x8000) >> 16) & 0xffff); /* addis r11,r2,HA */
	*p++ = 0x396b0000 | (d & 0xffff); /* addi r11,r11,LO */
	*p++ = 0xe98b0000; /* ld r12,0(r11) */
	*p++ = 0x7d8903a6; /* mtctr r12 */
	*p++ = 0x4e800421; /* bctrl */
	*p++ = thread;
	*p++ = 0xe96c0020; /* ld r11,livepatch_sp(r12) */
	for (unsigned i = 0; i < sizeof after / 4; i++)
		*p++ = after[i];
	*p++ = thread;
	*p++ = 0xf96c0020; /* std r11,livepatch_sp(r12) */
	*p++ = 0x4e800020; /* blr */
	return start;
}

static void relocate(struct module *m)
{
	for (int i = 1; i < m->ehdr->e_shnum; i++) {
		Elf64_Shdr *s = &m->shdrs[i];
		if (s->sh_type != SHT_RELA || !m->at[s->sh_info])
			continue;
		Elf64_Rela *r = (Elf64_Rela *)((char *)m->ehdr + s->sh_offset);
		for (u64 n = s->sh_size / sizeof *r; n--; r++) {
			Elf64_Sym *sym = &m->syms[ELF64_R_SYM(r->r_info)];
			const char *name = m->strings + sym->st_name;
			unsigned char *p = (unsigned char *)m->at[s->sh_info] + r->r_offset;
			u64 P = (u64)p, v;
			int external = sym->st_shndx == SHN_UNDEF || sym->st_shndx == SHN_LIVEPATCH;
			int type = ELF64_R_TYPE(r->r_info);
			if (type == R_PPC64_ENTRY || type == R_PPC64_TOCSAVE)
				continue;
			if (!ELF64_R_SYM(r->r_info))
				v = 0;
			else if (!strcmp(name, ".TOC."))
				v = m->toc;
			else if (external && !strcmp(name, "_mcount"))
				v = 0;
			else if (external) {
				char plain[256];
				snprintf(plain, sizeof plain, "%s", name);
				if (!strncmp(plain, ".klp.sym.", 9)) {
					*strrchr(plain, ',') = 0;
					memmove(plain, strchr(plain + 9, '.') + 1, strlen(strchr(plain + 9, '.')));
				}
				v = must_find(plain);
			} else
				v = value_of(m, sym);
			v += r->r_addend;
			switch (type) {
			case R_PPC64_ADDR64:
				*(u64 *)p = v;
				break;
			case R_PPC64_REL64:
				*(u64 *)p = v - P;
				break;
			case R_PPC64_REL32:
				*(u32 *)p = v - P;
				break;
			case R_PPC64_TOC16_HA:
				*(uint16_t *)p = (v - m->toc + 0x8000) >> 16;
				break;
			case R_PPC64_TOC16_LO:
				*(uint16_t *)p = v - m->toc;
				break;
			case R_PPC64_TOC16_DS:
			case R_PPC64_TOC16_LO_DS:
				*(uint16_t *)p = (*(uint16_t *)p & 3) | ((v - m->toc) & 0xfffc);
				break;
			case R_PPC64_REL16_HA:
				*(uint16_t *)p = (v - P + 0x8000) >> 16;
				break;
			case R_PPC64_REL16_LO:
				*(uint16_t *)p = v - P;
				break;
			case R_PPC64_REL24: {
				u32 *word = (u32 *)p;
				if (external && !strcmp(name, "_mcount")) {
					*word = NOP;
					break;
				}
				if (external && klp_stubs && word[1] != NOP)
					v = (u64)klp_stub(v, m->toc);
				else if (external) {
					v = (u64)stub(v, m->toc);
					if ((*word & 1) && word[1] == NOP)
						word[1] = LD_R2;
					else if ((*word & 1) && !unchecked) {
						printf("module_64: %s: Expected nop after call, got %08x\n", m->name, word[1]);
						exit(2);
					}
				} else
					v += ((1u << (sym->st_other >> 5)) >> 2) << 2;
				*word = (*word & ~0x3fffffcu) | ((v - P) & 0x3fffffc);
				break;
			}
			default:
				fprintf(stderr, "%s: relocation type %d\n", m->name, type);
				exit(2);
			}
		}
	}
}

extern char handler_livepatch[], handler_cr4[], handler_mini[], handler_plain[];

/* At B's profiling call: r0 = return into A, r2 = whatever the call site left. */
static void patch(char *pair, char *handler)
{
	char *to = strchr(pair, ':');
	*to++ = 0;
	u32 *site = (u32 *)must_find(pair);
	u64 target = must_find(to);
	for (int i = 0; site[0] != 0x7c0802a6 || site[1] != NOP; i++, site++)
		if (i > 8)
			exit(3);
	u32 *p = take(64, 8);
	u64 parts[2] = { (u64)handler, target };
	/* r11 = handler, r12 = P */
	u32 *w = p;
	for (int i = 0; i < 2; i++) {
		u32 rt = (11 + i) << 21, both = (11 + i) << 21 | (11 + i) << 16;
		u64 x = parts[i];
		*w++ = 0x3c000000 | rt | ((x >> 48) & 0xffff); /* lis */
		*w++ = 0x60000000 | both | ((x >> 32) & 0xffff); /* ori */
		*w++ = 0x780007c6 | both; /* sldi 32 */
		*w++ = 0x64000000 | both | ((x >> 16) & 0xffff); /* oris */
		*w++ = 0x60000000 | both | (x & 0xffff); /* ori */
	}
	*w++ = 0x7d6803a6; /* mtlr r11 */
	*w++ = 0x7d8903a6; /* mtctr r12 */
	*w++ = 0x4e800020; /* blr */
	site[1] = 0x48000000 | (((u64)p - (u64)&site[1]) & 0x3fffffc);
}

int klp_log(const char *format, ...)
{
	__builtin_va_list ap;
	__builtin_va_start(ap, format);
	int n = vprintf(format, ap);
	__builtin_va_end(ap);
	putchar('\n');
	return n;
}

/* Prints the functions that the back chain names, innermost first, up to the one that was run. */
int klp_frames(void)
{
	u64 *sp = __builtin_frame_address(0);
	int n = 0, unknown = 0;
	printf("frames:");
	/* The LR save slot of the caller's frame holds the return address of the callee, here our own. */
	for (sp = (u64 *)*sp; sp && n < 32; sp = (u64 *)*sp, n++) {
		u64 offset;
		const char *name = charge(sp[2], &offset);
		unknown = *name == '?' ? unknown + 1 : 0;
		if (unknown == 2)
			break;
		printf(" %s", name);
	}
	putchar('\n');
	return n;
}

u64 klp_stack(void)
{
	return (thread.livepatch_sp - (u64)livepatch_stack) / 24;
}

/* The TOC of the module that holds an address. */
static u64 toc_of(u64 at)
{
	for (int m = 0; m < nmodules; m++)
		for (int i = 1; i < modules[m].ehdr->e_shnum; i++) {
			u64 start = modules[m].at[i];
			if (start && at >= start && at < start + modules[m].shdrs[i].sh_size)
				return modules[m].toc;
		}
	return 0;
}

extern u64 run_checked(u64 entry, u64 argument, u64 *lost);

int main(int argc, char **argv)
{
	char *pairs[MAX];
	int npairs = 0;
	char *function = 0, *handler = handler_livepatch;
	u64 argument = 0, lost[4] = { 0 };
	setbuf(stdout, 0);
	thread.livepatch_sp = (u64)livepatch_stack;
	arena = mmap((void *)0x20000000, ARENA, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (arena == MAP_FAILED)
		return 3;
	brk_ = arena;
	for (int i = 1; i < argc; i++) {
		if (!strncmp(argv[i], "patch=", 6))
			pairs[npairs++] = argv[i] + 6;
		else if (!strcmp(argv[i], "handler=cr4"))
			handler = handler_cr4;
		else if (!strcmp(argv[i], "handler=mini"))
			handler = handler_mini;
		else if (!strcmp(argv[i], "handler=livepatch"))
			handler = handler_livepatch;
		else if (!strcmp(argv[i], "handler=plain"))
			handler = handler_plain;
		else if (!strcmp(argv[i], "unchecked"))
			unchecked = 1;
		else if (!strcmp(argv[i], "klp-stubs"))
			klp_stubs = 1;
		else if (!strncmp(argv[i], "argument=", 9))
			argument = strtoull(argv[i] + 9, 0, 0);
		else if (!strcmp(argv[i], "paca")) {
			u64 tp;
			asm("mr %0,13" : "=r"(tp));
			printf("%ld,%ld\n", (long)((u64)&paca_thread_info - tp),
			       (long)__builtin_offsetof(struct thread_info, livepatch_sp));
			return 0;
		} else if (!function)
			function = argv[i];
		else
			load(argv[i]);
	}
	for (int m = 0; m < nmodules; m++)
		relocate(&modules[m]);
	for (int i = 0; i < npairs; i++)
		patch(pairs[i], handler);
	__builtin___clear_cache((char *)arena, (char *)brk_);
	lost[0] = toc_of(must_find(function));
	u64 result = run_checked(must_find(function), argument, lost);
	printf("result %lx\n", result);
	printf("lost r1,r2,cr,lr %lx gpr %lx fpr %lx vr %lx\n", lost[0], lost[1], lost[2], lost[3]);
	if (thread.livepatch_sp != (u64)livepatch_stack)
		printf("livepatch stack off by %ld\n", (long)(thread.livepatch_sp - (u64)livepatch_stack));
	return 0;
}
