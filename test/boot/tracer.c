// SPDX-License-Identifier: MIT
/*
 * Init of a guest that shows patch sites: loads the modules of /list, tells what ftrace lists and where the modules are,
 * and stands still with the function tracer off, then on, so that its memory can be read from outside. What it prints:
 *
 *   @m FILE ERRNO               a module of /list was loaded, or was not
 *   @@ give NAME ADDRESS SIZE   a file's content at an address of this process, which stands still until a line is typed
 *   @@ stop NAME                nothing to give: the kernel's own memory is to be looked at
 *   @@ failed NAME ERRNO
 *   @@ end
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

#define TRACING "/sys/kernel/tracing/"

static char *text;
static size_t size, room;

static void end(void)
{
	printf("@@ end\n");
	fflush(stdout);
	tcdrain(STDOUT_FILENO);
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

/* Awake, this process's memory is mapped; asleep, the processor is in the kernel. */
static void stand_still(int awake)
{
	char c = 0;

	fflush(stdout);
	tcdrain(STDOUT_FILENO);
	fcntl(STDIN_FILENO, F_SETFL, awake ? O_NONBLOCK : 0);
	while (read(STDIN_FILENO, &c, 1) != 1 || c != '\n')
		;
}

static void take(const char *bytes, size_t length)
{
	if (size + length + 1 > room) {
		room = (size + length + 1) * 2;
		text = realloc(text, room);
		if (text == NULL)
			end();
	}
	memcpy(text + size, bytes, length);
	size += length;
}

static int slurp(const char *path)
{
	static char part[1 << 16];
	int fd = open(path, O_RDONLY);
	ssize_t got;

	if (fd < 0)
		return errno;
	while ((got = read(fd, part, sizeof part)) > 0)
		take(part, (size_t)got);
	close(fd);
	return got < 0 ? errno : 0;
}

static void give(const char *name, int result)
{
	if (result != 0) {
		printf("@@ failed %s %d\n", name, result);
		return;
	}
	take("", 1);
	mlockall(MCL_CURRENT);
	printf("@@ give %s %lx %zu\n", name, (unsigned long)text, size - 1);
	stand_still(1);
	munlockall();
	size = 0;
}

static void give_file(const char *name, const char *path)
{
	size = 0;
	give(name, slurp(path));
}

/* "MODULE SECTION 0xADDRESS" of all sections of all modules. */
static void give_sections(void)
{
	DIR *modules = opendir("/sys/module");
	struct dirent *m, *s;
	char path[300], line[600];

	size = 0;
	while (modules != NULL && (m = readdir(modules)) != NULL) {
		DIR *sections;

		snprintf(path, sizeof path, "/sys/module/%.200s/sections", m->d_name);
		sections = opendir(path);
		while (sections != NULL && (s = readdir(sections)) != NULL) {
			if (strcmp(s->d_name, ".") == 0 || strcmp(s->d_name, "..") == 0)
				continue;
			snprintf(line, sizeof line, "%s %s ", m->d_name, s->d_name);
			take(line, strlen(line));
			snprintf(line, sizeof line, "%s/%s", path, s->d_name);
			if (slurp(line) != 0)
				take("?\n", 2);
		}
		if (sections != NULL)
			closedir(sections);
	}
	give("sections", modules == NULL ? errno : 0);
}

static void write_file(const char *path, const char *what)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, what, strlen(what)) < 0)
		printf("@@ failed %s %d\n", path, errno);
	close(fd);
}

static void load_modules(void)
{
	FILE *list = fopen("/list", "re");
	char path[256];

	while (list != NULL && fscanf(list, "%255s", path) == 1) {
		int fd = open(path, O_RDONLY);
		int result = fd >= 0 && syscall(SYS_finit_module, fd, "", 0) == 0 ? 0 : errno;

		close(fd);
		unlink(path);
		printf("@m %s %d\n", path, result);
		fflush(stdout);
	}
}

int main(void)
{
	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	mount("tracefs", TRACING, "tracefs", 0, NULL);
	printf("\n"); /* what the firmware left on the line */
	if (access("/proc/sys/kernel/kptr_restrict", W_OK) == 0)
		write_file("/proc/sys/kernel/kptr_restrict", "0");
	load_modules();
	give_file("functions", TRACING "available_filter_functions");
	give_sections();
	give_file("kallsyms", "/proc/kallsyms");
	printf("@@ stop off\n");
	stand_still(0);
	/* Only the sites are wanted, not what the tracer would write. */
	write_file(TRACING "tracing_on", "0");
	write_file(TRACING "current_tracer", "function");
	give_file("kallsyms", "/proc/kallsyms"); /* with the tracer's own trampolines */
	printf("@@ stop on\n");
	stand_still(0);
	end();
	return 1;
}
