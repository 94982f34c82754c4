/** A kernel release as far as rules depend on it. */
export interface KernelVersion {
  readonly major: number;
  readonly minor: number;
}

/** The version at the start of a release or vermagic (`6.1.0-13-amd64 SMP …`); null if there is none. */
export function parseKernelVersion(text: string): KernelVersion | null {
  const match = /^v?(\d{1,3})\.(\d{1,4})(?=$|[^\d])/.exec(text);
  return match === null ? null : { major: Number(match[1]), minor: Number(match[2]) };
}

/** Whether `version` is `major.minor` or newer. */
export function isAtLeast(version: KernelVersion, major: number, minor: number): boolean {
  return version.major > major || (version.major === major && version.minor >= minor);
}
