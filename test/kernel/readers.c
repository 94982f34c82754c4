// SPDX-License-Identifier: MIT
/*
 * Load for a boot test: starts readers that read patched files all the time, then becomes /guest (guest.c).
 * Each checks that an answer is one of the two that the file may give, patched or not:
 *   /count   one "FILE patched|original" line for each reader and each kind of answer that it has seen, once
 *   /bad     what was neither
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct reader {
	const char *path;
	const char *original; /* occurs in the unpatched answer */
	const char *patched; /* occurs in the patched answer */
};

static const struct reader readers[] = {
	{ "/proc/cmdline", "rdinit=/init", "nodev\tsysfs" },
	{ "/proc/uptime", ".", "Linux version " },
	{ "/proc/execdomains", "[kernel]", " mark=7369626c696e6721 ret=0\n" },
	{ "/proc/uptime", ".", "Linux version " },
	{ "/proc/execdomains", "[kernel]", " mark=7369626c696e6721 ret=0\n" },
};

static void append(const char *path, const char *what, const char *kind)
{
	char line[512];
	int fd = open(path, O_WRONLY | O_APPEND);
	int n = snprintf(line, sizeof line, "%s %s\n", what, kind);

	if (fd >= 0 && write(fd, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1) < 0)
		_exit(1);
	close(fd);
}

static void read_on(const struct reader *r)
{
	static char text[1 << 14];
	int seen = 0;

	while (access("/proc/version", F_OK) != 0)
		usleep(1000);
	for (;;) {
		int fd = open(r->path, O_RDONLY);
		ssize_t got, have = 0;
		int kind;

		while (fd >= 0 && (got = read(fd, text + have, sizeof text - 1 - (size_t)have)) > 0)
			have += got;
		text[have] = 0;
		close(fd);
		if (strstr(text, r->patched))
			kind = 1;
		else if (strstr(text, r->original))
			kind = 2;
		else {
			append("/bad", r->path, text);
			continue;
		}
		if (!(seen & kind))
			append("/count", r->path, kind == 1 ? "patched" : "original");
		seen |= kind;
		usleep(500); /* one processor is shared with what patches */
	}
}

int main(void)
{
	unsigned i;

	for (i = 0; i < sizeof readers / sizeof *readers; i++)
		if (fork() == 0)
			read_on(&readers[i]);
	execl("/guest", "/guest", NULL);
	return 1;
}
