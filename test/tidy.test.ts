import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import ts from "typescript";
import { expect, test } from "vitest";
import { root } from "./helpers.ts";

// Layers from the ground up. A file may import from its own layer (the same folder) and from lower ones.
const layers: readonly (readonly string[])[] = [
  ["base"],
  ["elf"],
  ["kernel"],
  ["reloc"],
  ["stubs"],
  ["ftrace"],
  ["arch"],
  ["klp"],
  ["diff"],
  ["load"],
  ["build"],
  ["passes"],
  ["library"],
  ["index.ts"],
  ["cli", "web"],
];

/** Room of a file below src: its folder, or its name for a file at the top. */
function roomOf(path: string): string {
  const [first = ""] = path.split("/");
  // The plain data of a diagnostic are what passes make documents of; the other renderers are not theirs.
  if (path === "diag/render/json.ts") return "diag/render/json";
  return path.startsWith("diag/render/") ? "diag/render" : first;
}

const levelOf = (room: string): number => layers.findIndex((rooms) => rooms.includes(room));

/** Whether a file of room `from` may import one of room `to`. */
function mayImport(from: string, to: string): boolean {
  if (from === to) return true;
  // Definitions of diagnostics build on base only; anything above elf may use them. Renderers belong to what is above the passes.
  if (from === "diag") return to === "base";
  if (from.startsWith("diag/render")) return to === "base" || to.startsWith("diag");
  if (to === "diag/render/json") return levelOf(from) >= levelOf("passes");
  if (to === "diag") return levelOf(from) > levelOf("elf");
  if (to === "diag/render") return from === "cli" || from === "web";
  return levelOf(to) < levelOf(from);
}

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? sources(path) : entry.name.endsWith(".ts") ? [path] : [];
  });
}

const src = join(root, "src");
const files = sources(src).map((path) => ({
  path: relative(src, path),
  imports: [...readFileSync(path, "utf8").matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)].map((m) =>
    relative(src, join(dirname(path), m[1] ?? "")),
  ),
}));

const textOf = (path: string): string => readFileSync(join(src, path), "utf8");

test("each room has a place among the layers", () => {
  const rooms = new Set(files.map((f) => roomOf(f.path)));
  for (const room of rooms) {
    expect(room.startsWith("diag") || levelOf(room) >= 0, `src/${room} is in no layer`).toBe(true);
  }
});

test("imports run downward", () => {
  expect(files.length).toBeGreaterThan(40);
  expect(files.reduce((sum, f) => sum + f.imports.length, 0)).toBeGreaterThan(100);
  const wrong = files.flatMap((f) =>
    f.imports.filter((to) => !mayImport(roomOf(f.path), roomOf(to))).map((to) => `${f.path} imports ${to}`),
  );
  expect(wrong).toEqual([]);
});

test("the rule itself refuses an upward import", () => {
  expect(mayImport("elf", "kernel")).toBe(false);
  expect(mayImport("klp", "passes")).toBe(false);
  expect(mayImport("ftrace", "klp")).toBe(false);
  expect(mayImport("arch", "klp")).toBe(false);
  expect(mayImport("diag", "klp")).toBe(false);
  expect(mayImport("passes", "diag/render")).toBe(false);
  expect(mayImport("load", "diag/render/json")).toBe(false);
  expect(mayImport("cli", "web")).toBe(false);
  expect(mayImport("elf", "diag")).toBe(false);
});

/** The first circle of imports that a walk finds, as paths; empty if there is none. */
function circle(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const done = new Set<string>();
  const walk = (path: string, above: readonly string[]): string[] => {
    if (above.includes(path)) return [...above.slice(above.indexOf(path)), path];
    if (done.has(path)) return [];
    for (const next of graph.get(path) ?? []) {
      const found = walk(next, [...above, path]);
      if (found.length > 0) return found;
    }
    done.add(path);
    return [];
  };
  for (const path of graph.keys()) {
    const found = walk(path, []);
    if (found.length > 0) return found;
  }
  return [];
}

/** Sub-rooms of a room that may import from one another: a file may import from its own folder, its parents and those listed before it. */
const subRooms: Readonly<Record<string, readonly string[]>> = {
  kernel: ["symbols", "running", "loader", "image", "module", "package", "tree", "stored"],
  klp: ["symbols", "producers", "patch", "move", "toc", "sieve", "rules"],
  "elf/dwarf": ["lines", "types", "moved"],
  diff: ["canon", "compare", "correlate", "take", "emit", "meaning"],
  passes: ["problems", "image", "diff", "explain"],
  "cli/files": ["kernel", "builds"],
};

/** The sub-room of a room that a file lies in; null: in none of it. */
function subRoomOf(room: string, path: string): string | null {
  if (!path.startsWith(`${room}/`)) return null;
  const [sub = "", inside] = path.slice(room.length + 1).split("/");
  return inside === undefined ? null : sub;
}

test("sub-rooms are named, and import only from those before them", () => {
  const wrong: string[] = [];
  for (const [room, order] of Object.entries(subRooms)) {
    for (const { path, imports } of files) {
      const from = subRoomOf(room, path);
      if (from === null) continue;
      if (!order.includes(from)) wrong.push(`src/${room}/${from} has no place in the order`);
      for (const to of imports) {
        const other = subRoomOf(room, to);
        if (other !== null && order.indexOf(other) > order.indexOf(from)) wrong.push(`${path} imports ${to}`);
      }
    }
    const empty = order.filter((sub) => !files.some(({ path }) => subRoomOf(room, path) === sub));
    expect(empty, `sub-rooms of src/${room} that hold no file`).toEqual([]);
  }
  expect(wrong).toEqual([]);
  expect(subRoomOf("elf/dwarf", "elf/dwarf/types/members.ts")).toBe("types");
  expect(subRoomOf("elf/dwarf", "elf/dwarf/units.ts")).toBe(null);
});

/** Most files of a folder of src. */
const MOST_FILES = 15;
/** Folders of more, with the reason, which docs/architecture.md gives too. */
const LARGER: Readonly<Record<string, string>> = {
  "cli/commands": "one a command, and what it prints",
  "diag/messages": "one a speaker",
  "ftrace/model/protocols": "one a protocol",
  "klp/rules": "one a rule",
};

test("folders hold no more files than a reader looks over", () => {
  const counts = new Map<string, number>();
  for (const { path } of files) counts.set(dirname(path), (counts.get(dirname(path)) ?? 0) + 1);
  const larger = [...counts].filter(([, count]) => count > MOST_FILES).map(([folder]) => folder);
  expect(larger.sort()).toEqual(Object.keys(LARGER).sort());
  const told = readFileSync(join(root, "docs/architecture.md"), "utf8");
  expect(Object.keys(LARGER).filter((folder) => !told.includes(`\`${folder}\``))).toEqual([]);
});

test("src holds index.ts and folders", () => {
  expect(files.map((f) => f.path).filter((path) => !path.includes("/"))).toEqual(["index.ts"]);
});

test("no circles among files, imports of types included", () => {
  expect(circle(new Map(files.map((f) => [f.path, f.imports])))).toEqual([]);
  expect(circle(new Map(Object.entries({ a: ["b"], b: ["c"], c: ["b"] })))).toEqual(["b", "c", "b"]);
});

test("no file reads from outside the checkout's own folders", () => {
  const outside = files.flatMap((f) => f.imports.filter((to) => to.startsWith("..")).map((to) => `${f.path}: ${to}`));
  expect(outside).toEqual([]);
});

/** Calls in a source text that take a list of any length on the stack, as `f(...list)` and `f.apply(x, list)` do. */
function spreadCalls(path: string, text: string): string[] {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const found: string[] = [];
  const isSpread = (node: ts.Expression): boolean =>
    // The two numbers of a kernel version.
    ts.isSpreadElement(node) && !/^(?:versionFacts(?:\.\w+|\[[\w.]+\])\.since)$/.test(node.expression.getText());
  const isApply = (call: ts.Node): boolean =>
    ts.isCallExpression(call) && /\.apply$/.test(call.expression.getText()) && call.arguments.length > 1;
  const walk = (node: ts.Node): void => {
    const isCall = ts.isCallExpression(node) || ts.isNewExpression(node);
    if (isCall && ((node.arguments ?? []).some(isSpread) || isApply(node)))
      found.push(`${path}:${source.getLineAndCharacterOfPosition(node.getStart()).line + 1}: ${node.getText()}`);
    ts.forEachChild(node, walk);
  };
  walk(source);
  return found;
}

test("no list of any length goes onto the stack as arguments of a call", () => {
  const found = files.flatMap(({ path }) => spreadCalls(path, readFileSync(join(src, path), "utf8")));
  expect(found, "base/lists.ts has append, longest").toEqual([]);
  const sample = "a.push(...b); Math.max(0, ...c); new D(...e); f.apply(g, h); i([...j]); k(...versionFacts.l.since)";
  expect(spreadCalls("sample.ts", sample)).toEqual([
    "sample.ts:1: a.push(...b)",
    "sample.ts:1: Math.max(0, ...c)",
    "sample.ts:1: new D(...e)",
    "sample.ts:1: f.apply(g, h)",
  ]);
});

test("versions differ by the names of version facts only", () => {
  const raw = /\bisAtLeast\b|\b(?:since|has)\(\s*\d|\b(?:major|minor)\s*[<>]=?\s*\d/;
  const wrong = sources(src)
    .map((path) => relative(src, path))
    .filter((path) => !/^kernel\/version(Facts)?\.ts$/.test(path) && raw.test(readFileSync(join(src, path), "utf8")));
  expect(wrong).toEqual([]);
  expect(raw.test("if (since(6, 13))")).toBe(true);
});

/** Tests that are not of one file of src, and say by their name what they are: goldens, properties, ways through the command line. */
const ownNames: readonly string[] = [
  "cli/commands/explainFits",
  "cli/commands/explainLarge",
  "cli/code",
  "cli/installed",
  "cli/packed",
  "cli/parts",
  "cli/treeModules",
  "diag/messages/reports",
  "diag/samples",
  "diff/pairs",
  "docs",
  "elf/dwarf/damaged",
  "elf/elfy",
  "elf/input",
  "elf/readelf",
  "guides",
  "build/patch/large",
  "klp/entryTables",
  "klp/producers/forms",
  "klp/producers/originals",
  "passes/image/captures",
  "passes/image/fuzz",
  "passes/image/messages",
  "passes/image/refusals",
  "passes/image/relocationTypes",
  "passes/pcrel",
  "passes/properties",
  "readme",
  "samples",
  "stubs/strategies/strategies",
  "tidy",
  "web/replaced",
];

test("a test lies where its file does, and is called like it", () => {
  const own = ["boot", "user", "tools", "fuzz", "fetch", "fixtures", "golden"];
  const tests = readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".test.ts") && !own.includes(path.split("/")[0] ?? ""))
    .map((path) => path.replace(/\.test\.ts$/, ""));
  expect(tests.length).toBeGreaterThan(60);
  const known = new Set([...files.map((f) => f.path.replace(/\.ts$/, "")), ...ownNames]);
  expect(tests.filter((path) => !known.has(path))).toEqual([]);
  expect(ownNames.filter((path) => !tests.includes(path))).toEqual([]);
});

/**
 * Where code may say which machine it is for: the ELF constants, the tables with a row for each architecture, and what is of
 * one architecture by its nature.
 */
const MACHINES_OWN =
  /^(?:elf\/consts\.ts|elf\/machine\.ts|base\/archName\.ts|build\/machines\.ts|arch\/|reloc\/|stubs\/|ftrace\/model\/protocols\/|klp\/toc\/)/;
/** An e_machine, an architecture's name, or a relocation type by number. Comments do not count. */
const MACHINE = /\bEM_[A-Z0-9_]+\b|"(?:ppc64le|arm64|x86_64)"|\bR_[A-Z0-9_]+ = \d+|\brelocationType\s*[!=]==?\s*\d+/g;
/** The column of a message that says which kernels print it. */
const PRINTED_BY = /^diag\/messages\//;

function machineDecisions(path: string, text: string): number {
  const code = text.replace(/\/\*[\s\S]*?\*\/|\/\/.*|^import [\s\S]*?;$/gm, "");
  return [...(PRINTED_BY.test(path) ? code.replace(/^ +arch: "\w+",$/gm, "") : code).matchAll(MACHINE)].length;
}

test("what depends on the machine is asked of its row", () => {
  const found = sources(src)
    .map((path) => relative(src, path))
    .filter((path) => !MACHINES_OWN.test(path))
    .map((path) => [path, machineDecisions(path, readFileSync(join(src, path), "utf8"))] as const)
    .filter(([, count]) => count > 0);
  expect(found, "a column of a row in src/arch, or of a table by ArchName").toEqual([]);
  expect(machineDecisions("a.ts", 'if (m === EM_PPC64 || a === "arm64") f(R_X = 12); // EM_X86_64')).toBe(3);
  expect(machineDecisions("diag/messages/a.ts", '    arch: "arm64",\nif (arch === "arm64") f();')).toBe(1);
});

test("the byte order comes from the file, nowhere from the hand", () => {
  // Formats of one byte order, whatever the file's: packed data, the signature behind a module, headers for boot loaders.
  const fixed =
    /^elf\/containers\/(?:bcj|compressed|lz4|lzma|lzo|signature|xzBlocks)\.ts:|^kernel\/image\/(?:arm64Image\.ts|wrapping\/\w+\.ts):/;
  // The last argument of a DataView's reads and writes, and of what reads for it.
  const byHand =
    /\b(?:get|set)(?:Big)?(?:Uint|Int)(?:16|32|64)\((?:[^;]*, )?(?:true|false)\)|\bgetUint64\([^;]*, (?:true|false)\)|\bnew (?:Btf|OrderedView)\([^;]*, (?:true|false)\)|\bwordBytes\([^;]*, (?:true|false)\)/;
  const found = sources(src)
    .flatMap((path) =>
      readFileSync(path, "utf8")
        .split("\n")
        .map((line, i) => `${relative(src, path)}:${i + 1}: ${line}`),
    )
    .filter((line) => byHand.test(line) && !/ppcBranch\(/.test(line) && !fixed.test(line));
  expect(found).toEqual([]);
  expect(byHand.test("view.setUint32(at + 4, word(x, y) >>> 0, true);")).toBe(true);
});

test("the loader's events have names", () => {
  const tuples = sources(src)
    .map((path) => relative(src, path))
    .filter((path) => path !== "base/loadOrder.ts" && /\bloadOrder: \[/.test(readFileSync(join(src, path), "utf8")));
  expect(tuples, "base/loadOrder.ts").toEqual([]);
});

test("a diagnostic's title stands in its table", () => {
  const fromOutside = /^ {2}title: \(d\) => d\.\w+,$/m;
  const wrong = files.map((f) => f.path).filter((p) => p.startsWith("diag/codes/") && fromOutside.test(textOf(p)));
  expect(wrong).toEqual([]);
  expect(fromOutside.test("  title: (d) => d.what,")).toBe(true);
});

/** Most lines of a function, from its name to its end, and most parameters. */
const LONGEST = 60;
const PARAMETERS = 5;

/** What stays longer, with the reason. */
const STAYS: Readonly<Record<string, string>> = {
  "elf/dwarf/forms.ts readForm": "a case a form, in the order of DWARF 5, 7.5.6",
};

/** Functions that are too long or take too many parameters. */
function largeFunctions(path: string, text: string): string[] {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const lineOf = (at: number): number => source.getLineAndCharacterOfPosition(at).line;
  const nameOf = (node: ts.SignatureDeclaration): string => {
    if (node.name !== undefined) return node.name.getText();
    if (ts.isConstructorDeclaration(node)) return "constructor";
    return ts.isVariableDeclaration(node.parent) ? node.parent.name.getText() : "(no name)";
  };
  const found: string[] = [];
  const walk = (node: ts.Node): void => {
    if (ts.isFunctionLike(node) && "body" in node && node.body !== undefined) {
      const lines = lineOf(node.end) - lineOf(node.getStart()) + 1;
      const count = node.parameters.length;
      if (lines > LONGEST) found.push(`${path} ${nameOf(node)}: ${lines} lines`);
      if (count > PARAMETERS) found.push(`${path} ${nameOf(node)}: ${count} parameters`);
    }
    ts.forEachChild(node, walk);
  };
  walk(source);
  return found;
}

test("functions are short and take few parameters", () => {
  const found = files.flatMap(({ path }) => largeFunctions(path, textOf(path)));
  const stays = (f: string): boolean => STAYS[f.slice(0, f.lastIndexOf(":"))] !== undefined;
  expect(found.filter((f) => !stays(f))).toEqual([]);
  expect(Object.keys(STAYS).filter((name) => !found.some((f) => f.startsWith(`${name}:`)))).toEqual([]);
  const sample = `class A { b(c, d, e, f, g, h) {} }\nconst i = () => {${"\n".repeat(60)}};`;
  expect(largeFunctions("a.ts", sample)).toEqual(["a.ts b: 6 parameters", "a.ts i: 61 lines"]);
});

/** What files declare with `export`, and what others import of them. */
interface Names {
  /** By name: the files that declare it. Types are marked. */
  readonly declared: Map<string, { readonly path: string; readonly isType: boolean }[]>;
  /** `PATH NAME`, and `PATH *` where all of a file is taken. Paths are below src. */
  readonly imported: Set<string>;
}

function readNames(path: string, names: Names): void {
  const source = ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.Latest, false);
  for (const statement of source.statements) {
    const isImport = ts.isImportDeclaration(statement);
    if (isImport || (ts.isExportDeclaration(statement) && statement.moduleSpecifier !== undefined)) {
      const from = relative(src, join(dirname(path), (statement.moduleSpecifier as ts.StringLiteral).text));
      const taken = isImport ? statement.importClause?.namedBindings : statement.exportClause;
      const isList = taken !== undefined && (ts.isNamedImports(taken) || ts.isNamedExports(taken));
      if (!isList) names.imported.add(`${from} *`);
      else for (const e of taken.elements) names.imported.add(`${from} ${(e.propertyName ?? e.name).text}`);
    }
    if (!path.startsWith(src) || !ts.canHaveModifiers(statement)) continue;
    if (ts.getModifiers(statement)?.some((m) => m.kind === ts.SyntaxKind.ExportKeyword) !== true) continue;
    const isType = ts.isInterfaceDeclaration(statement) || ts.isTypeAliasDeclaration(statement);
    const found = ts.isVariableStatement(statement)
      ? statement.declarationList.declarations.map((d) => d.name)
      : [(statement as ts.DeclarationStatement).name];
    for (const name of found) {
      if (name === undefined || !ts.isIdentifier(name)) continue;
      const list = names.declared.get(name.text) ?? [];
      names.declared.set(name.text, [...list, { path: relative(src, path), isType }]);
    }
  }
  // import("./file.ts"), for what is loaded when it is needed.
  for (const [, to = ""] of source.text.matchAll(/\bimport\("(\.[^"]+)"\)/g))
    names.imported.add(`${relative(src, join(dirname(path), to))} *`);
}

/** The tables by architecture have rows that are called like it; `versionTable` is for scripts/docs.mjs. */
const ROWS: readonly string[] = ["arm64", "ppc64le", "x86_64"];
const FOR_SCRIPTS: readonly string[] = ["versionTable"];

test("an exported name has one meaning, and is imported somewhere", () => {
  const names: Names = { declared: new Map(), imported: new Set() };
  for (const path of [...sources(src), ...sources(join(root, "test"))]) readNames(path, names);
  const several = [...names.declared].filter(([name, list]) => list.length > 1 && !ROWS.includes(name));
  expect(several.map(([name, list]) => `${name}: ${list.map((d) => d.path).join(", ")}`)).toEqual([]);
  // A type may be there to be named in the documentation of what has it.
  const dead = [...names.declared].flatMap(([name, list]) =>
    list.flatMap(({ path, isType }) =>
      isType || FOR_SCRIPTS.includes(name) || names.imported.has(`${path} ${name}`) || names.imported.has(`${path} *`)
        ? []
        : [`${path}: ${name}`],
    ),
  );
  expect(dead).toEqual([]);
  expect(names.declared.size).toBeGreaterThan(1000);
});

test("npm run golden makes everything that has a script which makes it", () => {
  const makers = readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" }).filter((path) =>
    /(?:^|\/)make\.(?:sh|mjs)$/.test(path),
  );
  const steps = readFileSync(join(root, "scripts/golden.mjs"), "utf8");
  const isStep = (path: string): boolean =>
    steps.includes(`script("${dirname(path)}")`) || steps.includes(`"test/${path}"`);
  expect(makers.length).toBeGreaterThan(20);
  expect(makers.filter((path) => !isStep(path))).toEqual([]);
});
