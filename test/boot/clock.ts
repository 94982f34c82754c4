/**
 * Parameters of x86_64 kernels with which they do not hold their clocks against each other: on a busy host an emulated one
 * can lag, and the kernel then panics before it begins ("IO-APIC + timer doesn't work") or changes clocks.
 */
export const PC_CLOCK = "no_timer_check tsc=unstable clocksource=acpi_pm";
