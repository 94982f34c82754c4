import { define } from "../define.ts";

/** Why a loaded module cannot be compared. */
export type Obstacle =
  | "not loaded"
  | "no copy"
  | "built in"
  | "no file"
  | "permission"
  | "hidden"
  | "lockdown"
  | "no memory"
  | "no addresses"
  | "missing"
  | "damaged";

const WAYS: Readonly<Record<Obstacle, string>> = {
  "not loaded":
    "load it first, or give another name: `lsmod` lists what is loaded; a copy of another machine's memory is given with --root",
  "no copy": "give --root the folder that the capture script filled (scripts/klplink-capture.sh MODULE FOLDER)",
  "built in": "only modules can be compared: code that is built into vmlinux is not loaded from a file",
  "no file": "give its file instead of its name: klplink verify PATH/MODULE.ko",
  permission: "run as root (`sudo klplink verify …`)",
  hidden: "run as root, with kernel.kptr_restrict=0 or 1 (`sysctl kernel.kptr_restrict=1`)",
  lockdown:
    "nobody may read the memory of a kernel that is locked down for confidentiality: boot it without lockdown=confidentiality (with Secure Boot, integrity is the usual state, which allows it)",
  "no memory":
    "it takes a kernel with CONFIG_PROC_KCORE, and /proc of the machine itself: in a container /proc/kcore is often masked; on another machine, copy with the capture script and use --root",
  "no addresses": "it takes a kernel with CONFIG_KALLSYMS, and /proc and /sys of the machine itself",
  missing:
    "check that the file is the one that was loaded (srcversion, build id), and copy again with the capture script if this is a copy",
  damaged: "copy again with the capture script",
};

export default define<{ readonly what: string; readonly obstacle: Obstacle }>({
  level: "error",
  title: (d) => d.what,
  help: (d) => WAYS[d.obstacle],
  explain:
    "To compare a loaded module, klplink reads its file, its section addresses (/sys/module/NAME/sections), the kernel's symbols (/proc/kallsyms) and the kernel's memory (/proc/kcore). One of them is missing or empty, may not be read, or hides the addresses. A section whose memory cannot be read is not compared; if a section's address is missing, nothing is, as the other sections depend on it.",
});
