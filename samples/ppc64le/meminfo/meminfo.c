// A replacement for meminfo_proc_show, as it comes out of the tools that cut a changed function out of its file.
//
// show_val_kb stands in the same file, so both share a TOC and the compiler calls it without a nop. The Makefile then
// drops show_val_kb, which did not change: the module calls the kernel's. Now the call leaves the module, nothing
// behind it restores r2, and the loader refuses the module.
typedef unsigned long ulong;

struct seq_file;

extern void seq_printf(struct seq_file *m, const char *format, ...);
extern void seq_put_decimal_ull_width(struct seq_file *m, const char *label, unsigned long long value, unsigned int width);
extern void seq_write(struct seq_file *m, const void *text, ulong length);
extern long si_mem_available(void);

int meminfo_proc_show(struct seq_file *m, void *v);

static const char modinfo_livepatch[] __attribute__((section(".modinfo"), used, aligned(1))) = "livepatch=Y";
static const char modinfo_license[] __attribute__((section(".modinfo"), used, aligned(1))) = "license=GPL";

// Module data reached through r2: wrong values here would show that r2 was not restored.
static ulong reads;
static ulong pages_shown[3];

static __attribute__((noipa)) void show_val_kb(struct seq_file *m, const char *label, ulong pages)
{
	seq_put_decimal_ull_width(m, label, pages << 6, 8);
	seq_write(m, " kB\n", 4);
}

int meminfo_proc_show(struct seq_file *m, void *v)
{
	long available = si_mem_available();

	reads++;
	pages_shown[0] = (ulong)available;
	show_val_kb(m, "MemAvailable:   ", pages_shown[0]);
	show_val_kb(m, "VmallocUsed:    ", 0);
	pages_shown[1] = reads;
	seq_printf(m, "Reads:          %8lu\n", pages_shown[1]);
	show_val_kb(m, "VMALLOCCHUNK:   ", pages_shown[2]);
	return v != 0;
}
