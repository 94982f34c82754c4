// Sibling calls to a function that is not in the module.
//
// notify_slow stands in the same file, so the compiler ends event_entry and event_weigh in a bare `b notify_slow`.
// The Makefile then drops notify_slow, as in ../meminfo. The module loads; the kernel's stub then stores this
// module's TOC into the frame of whoever called: silent corruption.
#define SEPARATE __attribute__((noipa))

extern void audit_event(long event);

long event_entry(long event);
long event_total(long event);

static const char modinfo_livepatch[] __attribute__((section(".modinfo"), used, aligned(1))) = "livepatch=Y";
static const char modinfo_license[] __attribute__((section(".modinfo"), used, aligned(1))) = "license=GPL";

static long events_seen;
static long events_weighed;
static long weight = 3;
// Written through a pointer, so that the compiler must read weight from memory.
long *const event_weight = &weight;

static SEPARATE long notify_slow(long event, long factor)
{
	audit_event(event);
	return event * factor;
}

// Entered by ftrace only. Ends in `b notify_slow`.
long event_entry(long event)
{
	events_seen++;
	return notify_slow(event, weight);
}

// Ends in `b notify_slow` too; event_total and event_twice reach it by a branch inside the module.
static SEPARATE long event_weigh(long event)
{
	events_weighed += event;
	return notify_slow(event, weight);
}

// Ends in `b event_weigh`: it leaves a foreign TOC in r2 because event_weigh does. Two steps.
static SEPARATE long event_twice(long event)
{
	events_seen += 2;
	audit_event(event);
	return event_weigh(event * 2);
}

// Calls both without a nop, and reads its own data through r2 after each call.
long event_total(long event)
{
	long total = event_weigh(event);

	total += events_seen;
	total += event_twice(event);
	return total + events_weighed + weight;
}
