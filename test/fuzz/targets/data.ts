// Parsers of what is not a module: BTF, kernels and lists of symbols, compressed data, lines of a log, protocols.

import { deflateRawSync, gzipSync } from "node:zlib";
import { Collector } from "../../../src/diag/messages/collect.ts";
import { lineMeaningOf } from "../../../src/diag/messages/define.ts";
import { recogniseLine } from "../../../src/diag/messages/recognise.ts";
import { Btf, BtfError, isLittleEndianBtf } from "../../../src/elf/btf.ts";
import { unpackedLimit } from "../../../src/elf/containers/budget.ts";
import { isLz4Legacy, Lz4Error, unpackLz4Legacy } from "../../../src/elf/containers/lz4.ts";
import { OtherPackedError } from "../../../src/elf/containers/otherPackings.ts";
import { PackedError, packingOf, unpack } from "../../../src/elf/containers/packed.ts";
import { ElfError } from "../../../src/elf/error.ts";
import { readElf } from "../../../src/elf/reader.ts";
import { explore } from "../../../src/ftrace/model/explore.ts";
import { ProtocolError, parseProtocol } from "../../../src/ftrace/model/parse.ts";
import { protocols } from "../../../src/ftrace/model/protocols/index.ts";
import { violationSvg } from "../../../src/ftrace/model/svg.ts";
import { verdictText } from "../../../src/ftrace/model/text.ts";
import { readKernelFile } from "../../../src/kernel/detect.ts";
import { unwrapKernel } from "../../../src/kernel/image/wrapping/unwrap.ts";
import { Kernel } from "../../../src/kernel/kernel.ts";
import { SymbolListError } from "../../../src/kernel/symbols/parseSymbols.ts";
import { btfTypes } from "../../../src/load/structModule.ts";
import { load } from "../../helpers.ts";
import { bzImage, kernelTree, uImage, unified, zboot } from "../../kernel/image/wrapping/wrapped.ts";
import { filesIn, type Target } from "../frame/target.ts";
import { generator } from "../mutate.ts";
import { editAny, editText } from "./mutators.ts";

const btf: Target = {
  count: 2000,
  samples: () => {
    const { sections } = readElf(load("test/fixtures/types/btf.o"));
    return [".BTF"].map((name) => {
      for (let i = 1; i < sections.count; i++) if (sections.name(i) === name) return sections.data(i).slice();
      throw new Error("the fixture has no BTF");
    });
  },
  mutate: editAny,
  run: (bytes) => {
    try {
      const table = new Btf(bytes, isLittleEndianBtf(bytes));
      btfTypes(table);
      const facts = ["module", "task_struct", "list_head", "paca_struct"].map((name) => [
        table.structLayout(name)?.size,
        table.memberOffset(name, "name"),
      ]);
      facts.push([table.prototypes().size, null]);
      return { end: "read", output: JSON.stringify(facts) };
    } catch (error) {
      if (!(error instanceof BtfError)) throw error;
      return { end: "refused", output: error.message };
    }
  },
};

const fixture = (name: string): Uint8Array => load(`test/fixtures/kernel/${name}`);
const sized = (packed: Uint8Array, size: number): Uint8Array => {
  const end = Buffer.alloc(4);
  end.writeUInt32LE(size);
  return new Uint8Array(Buffer.concat([packed, end]));
};

const kernels: Target = {
  count: 500,
  samples: () => {
    const plain = filesIn(["test/fixtures/kernel"], /vmlinux-[\w-]+$|System\.map$/);
    const vmlinux = fixture("vmlinux-x86_64");
    const wrapped = [
      bzImage(sized(fixture("vmlinux-x86_64.lz4"), vmlinux.length)),
      bzImage(vmlinux),
      zboot(gzipSync(vmlinux)),
      uImage(vmlinux),
      unified(bzImage(vmlinux)),
      kernelTree(vmlinux),
    ].map((bytes) => new Uint8Array(bytes));
    const symvers = Buffer.from(
      "0x12345678\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n0x1\tf\tm\tEXPORT_SYMBOL_GPL\tNS\n".repeat(9),
    );
    const kallsyms = Buffer.from(
      "ffffffff81000000 T _text\nffffffffc0000000 t f\t[m]\nffffffffc0000010 d v.1\t[m]\n".repeat(9),
    );
    return [...plain, ...wrapped, new Uint8Array(symvers), new Uint8Array(kallsyms)];
  },
  mutate: (sample, seed, others) =>
    (/^[\n\t\r\x20-\x7e]+$/.test(Buffer.from(sample.subarray(0, 99)).toString("latin1")) ? editText : editAny)(
      sample,
      seed,
      others,
    ),
  run: async (bytes) => {
    // Offsets are in what is read: the file, or what came out of it.
    let size = bytes.length;
    try {
      const { bytes: inner, through } = await unwrapKernel(bytes);
      size = inner.length;
      const file = readKernelFile(inner, "in");
      const kernel =
        file.kind === "symbols"
          ? new Kernel({ list: file.list })
          : file.kind === "vmlinux"
            ? new Kernel({ vmlinux: file.vmlinux })
            : file.kind === "symvers"
              ? new Kernel({ symvers: { source: "in", exports: file.exports } })
              : new Kernel({ config: { source: "in", options: file.config } });
      kernel.exports("printk");
      kernel.find("_text");
      return { end: `${file.kind}${through.length === 0 ? "" : ", wrapped"}` };
    } catch (error) {
      if (error instanceof ElfError && !(error.offset >= 0 && error.offset <= size)) throw error;
      if (
        !(
          error instanceof ElfError ||
          error instanceof SymbolListError ||
          error instanceof PackedError ||
          error instanceof OtherPackedError
        )
      )
        throw error;
      return { end: `refused: ${error.name}`, output: error.message };
    }
  },
};

const containers: Target = {
  count: 600,
  samples: () => {
    const text = Buffer.from("klplink ".repeat(500));
    return [
      ...filesIn(["test/fixtures/kernel", "test/fixtures/klp", "test/fixtures/diag"], /\.(?:xz|zst|gz|lz4)$/),
      new Uint8Array(gzipSync(text)),
      new Uint8Array(Buffer.concat([gzipSync(text), gzipSync(text)])),
      new Uint8Array(deflateRawSync(text)),
    ];
  },
  mutate: editAny,
  run: async (bytes) => {
    try {
      if (isLz4Legacy(bytes)) return { end: "lz4", output: unpackLz4Legacy(bytes, bytes.length * 256) };
      const packing = packingOf(bytes);
      const content = await unpack(bytes);
      if (content.length > Math.max(bytes.length, unpackedLimit(bytes.length)))
        throw new Error(`${content.length} bytes`);
      return { end: packing ?? "as it was", output: content };
    } catch (error) {
      if (!(error instanceof PackedError || error instanceof Lz4Error)) throw error;
      return { end: "refused", output: error.message };
    }
  },
};

const lines: Target = {
  count: 500,
  samples: () =>
    [
      Buffer.from(load("test/fixtures/dmesg/lines.txt"))
        .toString("latin1")
        .split("\n")
        .map((l) => l.split("\t")[0] ?? "")
        .join("\n"),
    ].map((text) => new Uint8Array(Buffer.from(text, "latin1"))),
  mutate: editText,
  run: (bytes) => {
    const collector = new Collector();
    for (const line of Buffer.from(bytes).toString("utf8").split("\n")) {
      const known = recogniseLine(line);
      if (known !== null) lineMeaningOf(known, []);
      collector.add(line);
    }
    const found = collector.lines();
    return {
      end: found.length === 0 ? "nothing" : "recognised",
      output: JSON.stringify([found.map((f) => f.recognised.text), collector.unlisted()]),
    };
  },
};

const ODD: readonly unknown[] = [null, 0, -1, 1e9, "", "x", [], {}, true, ["x"], { x: 1 }, "\x1b[2J\u202e", "\ud800"];

/** A protocol as JSON, a few of its values replaced, taken away or doubled. */
function editProtocol(sample: Uint8Array, seed: number): Uint8Array {
  const next = generator(seed);
  const document: unknown = JSON.parse(Buffer.from(sample).toString());
  for (let edits = next(4); edits > 0; edits--) {
    let at = document as Record<string, unknown>;
    for (;;) {
      const keys = Object.keys(at);
      const key = keys[next(keys.length)];
      if (key === undefined) break;
      const inner = at[key];
      if (typeof inner === "object" && inner !== null && next(5) > 0) {
        at = inner as Record<string, unknown>;
        continue;
      }
      if (next(4) === 0 && Array.isArray(at)) at.push(structuredClone(inner));
      else if (next(3) === 0) delete at[key];
      else
        at[key] =
          next(2) === 0 ? structuredClone(ODD[next(ODD.length)]) : structuredClone(at[keys[next(keys.length)] ?? key]);
      break;
    }
  }
  return new Uint8Array(Buffer.from(JSON.stringify(document)));
}

const model: Target = {
  count: 60,
  samples: () =>
    protocols
      .filter((p) => ["X1", "X1b-enable", "X1c", "A1", "P1"].includes(p.name))
      .map((p) => new Uint8Array(Buffer.from(JSON.stringify(p)))),
  mutate: editProtocol,
  run: (bytes) => {
    try {
      const protocol = parseProtocol(Buffer.from(bytes).toString());
      const verdict = explore(protocol);
      const [violation] = verdict.violations;
      const svg = violation === undefined ? "" : violationSvg(protocol, violation);
      return { end: verdict.holds ? "holds" : "fails", output: verdictText(protocol, verdict, 78) + svg };
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return { end: "refused", output: error.message };
    }
  },
};

export const dataTargets = { btf, kernels, containers, lines, model };
