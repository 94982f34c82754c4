// Nothing to do here: every callee outside the module is exported, and the compiler knew that it is outside.
struct seq_file;

extern void seq_printf(struct seq_file *m, const char *format, ...);
extern long si_mem_available(void);

static const char modinfo_livepatch[] __attribute__((section(".modinfo"), used, aligned(1))) = "livepatch=Y";
static const char modinfo_license[] __attribute__((section(".modinfo"), used, aligned(1))) = "license=GPL";

static unsigned long reads;

int uptime_proc_show(struct seq_file *m, void *v);

int uptime_proc_show(struct seq_file *m, void *v)
{
	reads++;
	seq_printf(m, "%lu %ld\n", reads, si_mem_available());
	seq_printf(m, "again %lu\n", reads);
	return v != 0;
}
