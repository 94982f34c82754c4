/** A kernel release as far as rules depend on it. */
export interface KernelVersion {
  readonly major: number;
  readonly minor: number;
  /** Number of the stable release; 0 of the first, and of most distributions whatever they took over; absent: not known. */
  readonly patch?: number;
}

/** The version at the start of a release or vermagic (`6.1.0-13-amd64 SMP …`); null if there is none. */
export function parseKernelVersion(text: string): KernelVersion | null {
  const match = /^v?(\d{1,3})\.(\d{1,4})(?:\.(\d{1,5}))?(?=$|[^\d])/.exec(text);
  if (match === null) return null;
  const version = { major: Number(match[1]), minor: Number(match[2]) };
  return match[3] === undefined ? version : { ...version, patch: Number(match[3]) };
}

/** Whether `version` is `major.minor` or newer. */
export function isAtLeast(version: KernelVersion, major: number, minor: number): boolean {
  return version.major > major || (version.major === major && version.minor >= minor);
}
