// Lines that come together in public reports (Android GKI modules, Ubuntu DKMS, kpatch, Pop!_OS), and which is the reason.

import { expect, test } from "vitest";
import type { Recognised } from "../../../src/diag/messages/define.ts";
import { recogniseLine } from "../../../src/diag/messages/recognise.ts";
import { causesOf } from "../../../src/diag/messages/together.ts";

function read(lines: readonly string[]): Recognised[] {
  return lines.map((line) => {
    const found = recogniseLine(line);
    if (found === null) throw new Error(`not recognised: ${line}`);
    return found;
  });
}

/** For each line the position of its reason, or null. */
function reasons(...lines: string[]): (number | null)[] {
  const all = read(lines);
  const causes = causesOf(all);
  return all.map((l) => {
    const cause = causes.get(l);
    return cause === undefined ? null : all.indexOf(cause.line);
  });
}

const VERSION = "bluetooth: disagrees about version of symbol sk_filter_trim_cap";
const UNKNOWN = "bluetooth: Unknown symbol sk_filter_trim_cap (err -22)";
const ANDROID = "modprobe: Failed to insmod '/lib/modules/bluetooth.ko' with args '': Invalid argument";

test.each<[string, string[], (number | null)[]]>([
  ["a checksum", [VERSION, UNKNOWN], [null, 0]],
  ["a checksum, told behind it", [UNKNOWN, VERSION], [1, null]],
  ["a checksum, and the tool", [VERSION, UNKNOWN, ANDROID], [null, 0, 0]],
  ["another symbol's checksum is not a reason", [VERSION.replace("sk_filter", "x"), UNKNOWN], [null, null]],
  ["another module's checksum is not a reason", [VERSION.replace("bluetooth", "btusb"), UNKNOWN], [null, null]],
  ["a missing symbol is no matter of a checksum", [VERSION, UNKNOWN.replace("-22", "-2")], [null, null]],
  [
    "a namespace",
    [
      "m: module uses symbol dma_buf_get from namespace DMA_BUF, but does not import it.",
      "m: Unknown symbol dma_buf_get (err -22)",
    ],
    [null, 0],
  ],
  [
    "a proprietary module, in the wording that names no symbol",
    [
      "nvidia_drm: module using GPL-only symbols uses symbols from proprietary module nvidia.",
      "nvidia_drm: Unknown symbol nvidia_get_rm_ops (err -22)",
    ],
    [null, 0],
  ],
  [
    "a module that hangs",
    ["ib_core: gave up waiting for init of module mlx_compat.", "ib_core: Unknown symbol backport_x (err -16)"],
    [null, 0],
  ],
  [
    "types: the kernel's line, and modprobe's",
    [
      "BPF: [166016] ENUM task_fair",
      "failed to validate module [nft_tproxy] BTF: -22",
      "modprobe: ERROR: could not insert 'nft_tproxy': Invalid argument",
    ],
    [1, null, 1],
  ],
  [
    "a summary of livepatch",
    [
      "livepatch: symbol 'nfsd_x' not found in symbol table",
      "livepatch: failed to initialize patch 'p' for module 'nfsd' (-22)",
      "livepatch: patch 'p' failed for module 'nfsd', refusing to load module 'nfsd'",
    ],
    [null, 0, 0],
  ],
  [
    "a signature",
    ["PKCS#7 signature not signed with a trusted key", "Loading of module with unavailable key is rejected"],
    [null, 0],
  ],
  [
    "insmod, beside another module's line",
    ["other: Unknown symbol f (err -2)", "insmod: ERROR: could not insert module ./mine.ko: Invalid module format"],
    [null, null],
  ],
])("%s", (_, lines, expected) => {
  expect(reasons(...lines)).toEqual(expected);
});

test("one fault that is reported twice is said to be one", () => {
  const all = read([VERSION, UNKNOWN]);
  const [, unknown] = all;
  expect(unknown === undefined ? null : causesOf(all).get(unknown)?.how).toMatch(
    /^one fault, reported twice: sk_filter_trim_cap is there, but as its checksum does not fit/,
  );
});
