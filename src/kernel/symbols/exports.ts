/** What is known of one exported symbol. */
export interface Export {
  readonly name: string;
  /** `vmlinux`, or a module's name. */
  readonly owner: string;
  /** Checksum of the symbol's type (CONFIG_MODVERSIONS); null: the kernel has none, or it is not known. */
  readonly crc: number | null;
  /** Whether only modules under a licence compatible with the GPL see it; null: not known. */
  readonly gplOnly: boolean | null;
  /** Namespace that a user must import, "" for none; null: not known. */
  readonly namespace: string | null;
}

/** Whether a `module:NAME,NAME*` namespace names a module. */
export function isGranted(namespace: string, module: string): boolean {
  return namespace
    .slice("module:".length)
    .split(",")
    .some((pattern) => {
      const wanted = pattern.trim().replace(/-/g, "_");
      return wanted.endsWith("*") ? module.startsWith(wanted.slice(0, -1)) : module === wanted;
    });
}
