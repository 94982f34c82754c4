// Two kernel functions and two kernel variables: one of each is exported to modules, the other is not.
// klplink turns those that are not into livepatch symbols. Nothing else has to change on this machine.
extern long ktime_get_seconds(void);
extern long vm_commit_limit_of(long zone);

extern unsigned long jiffies;
extern long commit_limit_cache[4];

static const char modinfo_livepatch[] __attribute__((section(".modinfo"), used, aligned(1))) = "livepatch=Y";
static const char modinfo_license[] __attribute__((section(".modinfo"), used, aligned(1))) = "license=GPL";

// Relocations in data: an address of each kind.
void *const convert_targets[2] = {(void *)&commit_limit_cache[1], (void *)&jiffies};

long vm_commit_limit_show(long zone);

long vm_commit_limit_show(long zone)
{
	if (ktime_get_seconds() < 60)
		return -1;
	commit_limit_cache[2] = (long)jiffies;
	return vm_commit_limit_of(zone) + commit_limit_cache[zone & 3];
}
