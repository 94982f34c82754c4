// Init of a guest that shows patch sites: what ftrace lists, and the words at the addresses in /sites, first with
// the function tracer off, then with it on. Prints in the form that boot.ts reads back.
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define TRACING "/sys/kernel/tracing/"

static Elf64_Phdr segments[128];
static int segment_count, kcore = -1, steps;

static void begin(const char *name)
{
	printf("@@ step %d %s\n", steps, name);
}

static void done(int result)
{
	printf("@@ done %d %d\n", steps++, result);
	fflush(stdout);
	tcdrain(STDOUT_FILENO);
}

static int open_kcore(void)
{
	Elf64_Ehdr header;

	kcore = open("/proc/kcore", O_RDONLY);
	if (kcore < 0 || pread(kcore, &header, sizeof header, 0) != sizeof header)
		return errno ? errno : EIO;
	segment_count = header.e_phnum < 128 ? header.e_phnum : 128;
	if (pread(kcore, segments, segment_count * sizeof *segments, header.e_phoff) < 0)
		return errno;
	return 0;
}

static int read_memory(unsigned long address, void *to, size_t size)
{
	int i;

	for (i = 0; i < segment_count; i++) {
		Elf64_Phdr *s = &segments[i];

		if (s->p_type == PT_LOAD && address >= s->p_vaddr && address + size <= s->p_vaddr + s->p_memsz)
			return pread(kcore, to, size, s->p_offset + (address - s->p_vaddr)) == (ssize_t)size;
	}
	return 0;
}

/* The word in front of each site, and the site's own. */
static int show_sites(const char *name)
{
	FILE *list = fopen("/sites", "re");
	unsigned long address;
	unsigned int words[2];

	begin(name);
	if (list == NULL)
		return errno;
	while (fscanf(list, "%lx", &address) == 1) {
		if (read_memory(address - 4, words, sizeof words))
			printf("@| %lx %08x %08x\n", address, words[0], words[1]);
		else
			printf("@| %lx ? ?\n", address);
	}
	fclose(list);
	return 0;
}

static int show_file(const char *path)
{
	static char line[4096];
	FILE *file = fopen(path, "re");

	begin("functions");
	if (file == NULL)
		return errno;
	while (fgets(line, sizeof line, file))
		printf("@| %s", line);
	fclose(file);
	return 0;
}

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY);
	int result = 0;

	begin("tracer");
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		result = errno;
	close(fd);
	return result;
}

int main(void)
{
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("tracefs", TRACING, "tracefs", 0, NULL);
	printf("\n"); /* what the firmware left on the line */
	begin("kcore");
	done(open_kcore());
	done(show_file(TRACING "available_filter_functions"));
	done(show_sites("off"));
	done(write_file(TRACING "current_tracer", "function"));
	done(show_sites("on"));
	begin("end");
	done(0);
	printf("@@ end\n");
	fflush(stdout);
	tcdrain(STDOUT_FILENO);
	reboot(RB_POWER_OFF);
	return 1;
}
