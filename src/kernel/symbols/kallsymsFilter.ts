// Symbols that kallsyms leaves out, so that they take no part in the counting of positions: scripts/mksysmap and, up to
// 6.2, is_ignored_symbol of scripts/kallsyms.c (seen in 6.1, 6.12 and 7.2; the differences concern names that no
// function has).

const PREFIXES = [
  "$",
  ".L",
  "__crc_",
  "__kstrtab_",
  "__kstrtabns_",
  "__efistub_",
  "__kvm_nvhe_$",
  "__kvm_nvhe_.L",
  "__pi_$",
  "__pi_.L",
  "__AArch64ADRPThunk_",
  "__kcfi_typeid_",
];
const NAMES = new Set([
  "L0",
  "_SDA_BASE_",
  "_SDA2_BASE_",
  "kallsyms_addresses",
  "kallsyms_offsets",
  "kallsyms_relative_base",
  "kallsyms_num_syms",
  "kallsyms_names",
  "kallsyms_markers",
  "kallsyms_token_table",
  "kallsyms_token_index",
  "kallsyms_seqs_of_names",
]);
const FIRST_CHARACTERS = new Set(["$", ".", "_", "L", "k"]);

/** Whether kallsyms has no entry for a symbol of vmlinux with that name and nm letter. */
export function isLeftOutOfKallsyms(name: string, letter: string): boolean {
  if (letter === "a" || letter === "N" || letter === "n" || letter === "U" || letter === "u" || letter === "w") {
    return true;
  }
  if (FIRST_CHARACTERS.has(name.charAt(0))) {
    if (NAMES.has(name)) return true;
    for (const prefix of PREFIXES) if (name.startsWith(prefix)) return true;
  }
  return name.includes(".long_branch.") || name.includes(".plt_branch.");
}
