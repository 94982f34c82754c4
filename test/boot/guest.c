// SPDX-License-Identifier: MIT
/*
 * The whole user space of the boot tests: init, which runs the lines of /script one by one, each in a child of its own,
 * so that a kernel oops ends that step and not the machine. What it prints:
 *
 *   @@ step N LINE     a step begins
 *   @| text            one line of what it read ("@\ text": the last one, without a newline)
 *   @k text            one line that the kernel logged since the step before
 *   @@ done N CODE     errno of the step (0: good), "signal S", or "hung"
 *   @@ end             no more steps; the machine is switched off
 *
 * Steps: insmod FILE | rmmod NAME | read FILE | write FILE TEXT | wait FILE TEXT (until it reads so) | gone FILE
 *        digest FILE (of each 1000 lines without a tab: how many, and their FNV-1a hash of 64 bits) | mount TYPE FOLDER
 *        syslog TYPE LENGTH (what syslog(2) answers) | types FOLDER (of its entries, all types ORed) | notypes FOLDER (the errno of
 *        reading them into memory that cannot be written)
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

enum { POLL_US = 100000, POLLS = 600 /* a minute: a limit against hanging, not a measure */ };

static char text[1 << 16];
static char log_text[1 << 20];

static void print_lines(const char *prefix, const char *s)
{
	while (*s) {
		size_t n = strcspn(s, "\n");
		if (s[n] == '\n') {
			printf("@%s %.*s\n", prefix, (int)n, s);
			s += n + 1;
		} else {
			printf("@%s %.*s\n", prefix[0] == '|' ? "\\" : prefix, (int)n, s);
			s += n;
		}
	}
}

static int slurp(const char *path)
{
	int fd = open(path, O_RDONLY);
	size_t have = 0;
	ssize_t got;

	if (fd < 0)
		return errno;
	while ((got = read(fd, text + have, sizeof text - 1 - have)) > 0)
		have += (size_t)got;
	text[have] = 0;
	close(fd);
	return got < 0 ? errno : 0;
}

static int step_insmod(const char *path)
{
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		return errno;
	return syscall(SYS_finit_module, fd, "", 0) == 0 ? 0 : errno;
}

/* The kernel drops its own reference to a disabled livepatch a moment after the patch has vanished from sysfs. */
static int step_rmmod(const char *name)
{
	int i;

	for (i = 0; i < POLLS; i++) {
		if (syscall(SYS_delete_module, name, O_NONBLOCK) == 0)
			return 0;
		if (errno != EAGAIN && errno != EBUSY)
			return errno;
		usleep(POLL_US);
	}
	return ETIMEDOUT;
}

static int step_read(const char *path)
{
	int err = slurp(path);

	if (err == 0)
		print_lines("|", text);
	return err;
}

static int step_write(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY);
	int err = 0;

	if (fd < 0)
		return errno;
	if (write(fd, value, strlen(value)) != (ssize_t)strlen(value))
		err = errno;
	close(fd);
	return err;
}

static int step_wait(const char *path, const char *value)
{
	int i;

	for (i = 0; i < POLLS; i++) {
		int err = slurp(path);

		if (err)
			return err;
		text[strcspn(text, "\n")] = 0;
		if (strcmp(text, value) == 0)
			return 0;
		usleep(POLL_US);
	}
	return ETIMEDOUT;
}

static int step_gone(const char *path)
{
	int i;

	for (i = 0; i < POLLS; i++) {
		if (access(path, F_OK) != 0)
			return errno == ENOENT ? 0 : errno;
		usleep(POLL_US);
	}
	return ETIMEDOUT;
}

static int step_digest(const char *path)
{
	enum { BLOCK = 1000 };
	FILE *f = fopen(path, "re");
	unsigned long long hash = 0xcbf29ce484222325;
	int lines = 0, i;

	if (f == NULL)
		return errno;
	while (fgets(text, sizeof text, f)) {
		if (strchr(text, '\t') != NULL)
			continue;
		for (i = 0; text[i]; i++)
			hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3;
		if (++lines < BLOCK)
			continue;
		printf("@| %d %016llx\n", lines, hash);
		hash = 0xcbf29ce484222325;
		lines = 0;
	}
	printf("@| %d %016llx\n", lines, hash);
	fclose(f);
	return 0;
}

static int step_mount(const char *type, const char *folder)
{
	return mount(type, folder, type, 0, NULL) == 0 ? 0 : errno;
}

static int step_syslog(const char *type, const char *length)
{
	int answer = klogctl(atoi(type), NULL, atoi(length));

	if (answer < 0)
		return errno;
	printf("@| %d\n", answer);
	return 0;
}

/* linux_dirent64: inode, offset, length (u16), type (u8), name. */
static int step_types(const char *folder, int writable)
{
	enum { SIZE = 1 << 16, LENGTH = 16, TYPE = 18 };
	unsigned char *to = mmap(NULL, SIZE, writable ? PROT_READ | PROT_WRITE : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = open(folder, O_RDONLY | O_DIRECTORY);
	unsigned types = 0;
	long got, at;

	if (fd < 0 || to == MAP_FAILED)
		return errno;
	while ((got = syscall(SYS_getdents64, fd, to, SIZE)) > 0)
		for (at = 0; at < got; at += to[at + LENGTH] | to[at + LENGTH + 1] << 8)
			types |= to[at + TYPE];
	if (got < 0 && writable)
		return errno;
	printf("@| %u\n", got < 0 ? (unsigned)errno : types);
	return 0;
}

static int run(char *line)
{
	char *verb = strtok(line, " ");
	char *a = strtok(NULL, " ");
	char *b = strtok(NULL, "");

	if (verb == NULL || a == NULL)
		return EINVAL;
	if (strcmp(verb, "insmod") == 0)
		return step_insmod(a);
	if (strcmp(verb, "rmmod") == 0)
		return step_rmmod(a);
	if (strcmp(verb, "read") == 0)
		return step_read(a);
	if (strcmp(verb, "gone") == 0)
		return step_gone(a);
	if (strcmp(verb, "digest") == 0)
		return step_digest(a);
	if (strcmp(verb, "types") == 0)
		return step_types(a, 1);
	if (strcmp(verb, "notypes") == 0)
		return step_types(a, 0);
	if (b == NULL)
		return EINVAL;
	if (strcmp(verb, "write") == 0)
		return step_write(a, b);
	if (strcmp(verb, "wait") == 0)
		return step_wait(a, b);
	if (strcmp(verb, "mount") == 0)
		return step_mount(a, b);
	if (strcmp(verb, "syslog") == 0)
		return step_syslog(a, b);
	return EINVAL;
}

/* All that was printed has left the machine before the kernel may fail. */
static void flush(void)
{
	fflush(stdout);
	tcdrain(STDOUT_FILENO);
}

static void print_log(void)
{
	int n = klogctl(4 /* read and clear */, log_text, sizeof log_text - 1);

	log_text[n > 0 ? n : 0] = 0;
	print_lines("k", log_text);
}

static void step(int n, char *line)
{
	pid_t child;
	int i, status;

	printf("@@ step %d %s\n", n, line);
	flush();
	child = fork();
	if (child == 0) {
		int err = run(line);

		flush();
		_exit(err);
	}
	/* Twice the limit of a step's own polling, then the step counts as hung. */
	for (i = 0; i < 2 * POLLS; i++) {
		if (waitpid(child, &status, WNOHANG) == child)
			break;
		usleep(POLL_US / 10 * (i < 100 ? 1 : 10));
	}
	print_log();
	if (i == 2 * POLLS) {
		kill(child, SIGKILL);
		printf("@@ done %d hung\n", n);
	} else if (WIFSIGNALED(status)) {
		printf("@@ done %d signal %d\n", n, WTERMSIG(status));
	} else {
		printf("@@ done %d %d\n", n, WEXITSTATUS(status));
	}
	flush();
}

int main(void)
{
	static char line[4096];
	FILE *script;
	int n = 0;

	mkdir("/proc", 0755);
	mkdir("/sys", 0755);
	if (mount("proc", "/proc", "proc", 0, NULL) != 0 || mount("sysfs", "/sys", "sysfs", 0, NULL) != 0)
		printf("@@ mount: %s\n", strerror(errno));
	script = fopen("/script", "re");
	if (script == NULL) {
		printf("@@ script: %s\n", strerror(errno));
	} else {
		print_log();
		while (fgets(line, sizeof line, script)) {
			line[strcspn(line, "\n")] = 0;
			step(n++, line);
		}
		printf("@@ end\n");
	}
	flush();
	reboot(RB_POWER_OFF);
	return 1;
}
