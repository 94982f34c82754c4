// SPDX-License-Identifier: MIT
/*
 * User space of a capture: init, which lists the kernel's symbols named in /names, waits for a line on the console, and
 * then loads the modules named in /list, one a line, with the parameters behind the first blank. What it prints:
 *
 *   @s ADDRESS LETTER NAME      a line of /proc/kallsyms whose name is in /names (sorted by strcmp)
 *   @v NAME: TEXT               what the kernel does about a weakness of the CPU (x86)
 *   @@ ready                    it waits: the debugger may set its breakpoints
 *   @m PATH ERRNO               a module was loaded (0) or refused
 *   @k text                     the kernel's log; that it is read marks the end for the debugger
 *   @@ end
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

static char *names[1 << 18];
static int count;
static char log_text[1 << 20];

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list_symbols(void)
{
	static char line[1024];
	FILE *f = fopen("/names", "re");

	if (f == NULL)
		return;
	while (count < (int)(sizeof names / sizeof names[0]) && fgets(line, sizeof line, f)) {
		line[strcspn(line, "\n")] = 0;
		names[count++] = strdup(line);
	}
	fclose(f);
	f = fopen("/proc/kallsyms", "re");
	while (f != NULL && fgets(line, sizeof line, f)) {
		char address[20], letter, name[900], *key = name;

		if (sscanf(line, "%19s %c %899s", address, &letter, name) != 3)
			continue;
		if (bsearch(&key, names, count, sizeof names[0], compare) != NULL)
			printf("@s %s %c %s\n", address, letter, name);
	}
	fflush(stdout);
}

static void list_vulnerabilities(void)
{
	static const char folder[] = "/sys/devices/system/cpu/vulnerabilities";
	DIR *d = opendir(folder);
	struct dirent *entry;

	while (d != NULL && (entry = readdir(d)) != NULL) {
		char path[400], text[400] = "";
		FILE *f;

		snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
		f = entry->d_name[0] == '.' ? NULL : fopen(path, "re");
		if (f == NULL)
			continue;
		if (fgets(text, sizeof text, f) != NULL)
			printf("@v %s: %.*s\n", entry->d_name, (int)strcspn(text, "\n"), text);
		fclose(f);
	}
	if (d != NULL)
		closedir(d);
	fflush(stdout);
}

int main(void)
{
	static char path[1024];
	FILE *list;
	int n;

	mkdir("/proc", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mkdir("/sys", 0755);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	list_vulnerabilities();
	list_symbols();
	printf("@@ ready\n");
	fflush(stdout);
	if (fgets(path, sizeof path, stdin) == NULL)
		printf("@@ stdin: %s\n", strerror(errno));
	list = fopen("/list", "re");
	while (list != NULL && fgets(path, sizeof path, list)) {
		int fd, err = 0;
		char *given;

		path[strcspn(path, "\n")] = 0;
		given = path + strcspn(path, " ");
		if (*given != 0)
			*given++ = 0;
		fd = open(path, O_RDONLY);
		if (fd < 0 || syscall(SYS_finit_module, fd, given, 0) != 0)
			err = errno;
		if (fd >= 0)
			close(fd);
		printf("@m %s %d\n", path, err);
		fflush(stdout);
	}
	n = klogctl(3 /* read all */, log_text, sizeof log_text - 1);
	log_text[n > 0 ? n : 0] = 0;
	for (char *s = log_text; *s;) {
		size_t length = strcspn(s, "\n");

		printf("@k %.*s\n", (int)length, s);
		s += length + (s[length] == '\n');
	}
	printf("@@ end\n");
	fflush(stdout);
	tcdrain(STDOUT_FILENO);
	reboot(RB_POWER_OFF);
	return 1;
}
