// The page and the pages of `--format html` in a real browser (Debian's chromium, without a window): what it shows and saves is held to
// the command line; nothing is loaded from anywhere; keyboard, roles and contrast by axe (Deque's rules for WCAG 2).

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildPage } from "../../scripts/page.mjs";
import { klplink } from "../cli/run.ts";
import { root } from "../helpers.ts";

const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");
const MODULE = join(root, "samples/ppc64le/meminfo/meminfo.o");
const MAP = join(root, "samples/ppc64le/meminfo/System.map");

let browser: Browser;
let folder = "";
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "klplink-page-"));
  await buildPage(root, "test", join(folder, "klplink.html"));
  browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
});
afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A page, with all that it asked for and complained of. */
async function open(path: string, colorScheme: "light" | "dark" = "light", javaScriptEnabled = true) {
  const context = await browser.newContext({ colorScheme, javaScriptEnabled, viewport: { width: 1000, height: 900 } });
  const page = await context.newPage();
  const requests: string[] = [];
  const faults: string[] = [];
  page.on("request", (r) => requests.push(r.url()));
  page.on("pageerror", (e) => faults.push(e.message));
  page.on("console", (m) => m.type() === "error" && faults.push(m.text()));
  await page.goto(pathToFileURL(path).href);
  return { page, requests, faults, end: () => context.close() };
}

const done = (page: Page) =>
  page.waitForFunction(() => /^Done/.test(document.getElementById("status")?.textContent ?? ""), null, {
    timeout: 120_000,
  });

/** What axe finds wrong: rule and element. */
async function wrongIn(page: Page): Promise<string[]> {
  // Evaluated in the browser's debugger: the page's own policy lets nothing else run.
  await page.evaluate(readFileSync(axe, "utf8"));
  const found = (await page.evaluate("axe.run()")) as { violations: { id: string; nodes: { html: string }[] }[] };
  return found.violations.map((v) => `${v.id}: ${v.nodes[0]?.html}`);
}

describe.each(["light", "dark"] as const)("the page, %s", (scheme) => {
  test("files are chosen, a log is pasted, the diagnosis is read and the linked module saved", async () => {
    const { page, requests, faults, end } = await open(join(folder, "klplink.html"), scheme);
    expect(await wrongIn(page)).toEqual([]);
    await page.setInputFiles("#chooser", [MODULE, MAP]);
    await done(page);
    await page.fill("#log", "module_64: meminfo: Expected nop after call, got 3c820000 at 0");
    // By keyboard: the button behind the text.
    await page.keyboard.press("Tab");
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("explain");
    await page.keyboard.press("Enter");
    await page.waitForSelector("text=certain: the only one that fits");
    await done(page);
    expect(await page.getByRole("status").textContent()).toBe("Done: one module was linked.");
    expect(await page.getByRole("heading", { name: /KLP301: call to show_val_kb has no nop/ }).count()).toBeGreaterThan(
      2,
    );
    expect(await page.getByRole("img", { name: /the loader refuses the module/ }).count()).toBeGreaterThan(0);
    expect(await wrongIn(page)).toEqual([]);
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("link", { name: "Save meminfo.klp.o" }).click(),
    ]);
    const saved = join(folder, `${scheme}.o`);
    await download.saveAs(saved);
    const { stdoutBytes } = await klplink([MODULE, "-k", MAP, "-o", "-"]);
    expect(readFileSync(saved).equals(Buffer.from(stdoutBytes))).toBe(true);
    await page.getByRole("button", { name: "remove meminfo.o" }).click();
    await page.waitForSelector("text=No module was given");
    // The page itself, and what it made itself.
    expect(requests.filter((r) => !/^(?:file:.*klplink\.html|blob:)/.test(r))).toEqual([]);
    expect(faults).toEqual([]);
    await end();
  });
});

test("a file is dropped, and a hostile one shows its names as text", async () => {
  const { page, faults, end } = await open(join(folder, "klplink.html"));
  const name = `<img src=x onerror="document.title='owned'">.ko`;
  const bytes = readFileSync(MODULE).toString("base64");
  const transfer = await page.evaluateHandle(
    ([data = "", file = ""]) => {
      const all = new DataTransfer();
      all.items.add(new File([Uint8Array.from(atob(data), (c) => c.charCodeAt(0))], file));
      return all;
    },
    [bytes, name],
  );
  await page.dispatchEvent("#drop", "drop", { dataTransfer: transfer });
  await done(page);
  expect(await page.title()).toBe("klplink");
  expect(await page.locator("img[src=x]").count()).toBe(0);
  expect(await page.getByRole("heading", { name }).count()).toBeGreaterThan(0);
  expect(faults).toEqual([]);
  await end();
});

test.each(["xz", "zst", "gz"])("modules packed as .ko.%s are unpacked and linked", async (ending) => {
  const { page, faults, end } = await open(join(folder, "klplink.html"));
  const [packed, ...kernel] = [
    `test/fixtures/klp/patch-x86_64.ko.${ending}`,
    "test/fixtures/kernel/vmlinux-x86_64",
    "test/fixtures/kernel/demo-mod.ko",
  ] as const;
  await page.setInputFiles(
    "#chooser",
    [packed, ...kernel].map((path) => join(root, path)),
  );
  await done(page);
  const link = page.getByRole("link", { name: "Save patch-x86_64.klp.ko" });
  const [download] = await Promise.all([page.waitForEvent("download"), link.click()]);
  const { stdoutBytes } = await klplink([packed, "-k", kernel[0], "-m", kernel[1], "-o", "-"]);
  expect(readFileSync(await download.path()).equals(Buffer.from(stdoutBytes))).toBe(true);
  expect(faults).toEqual([]);
  await end();
});

test("the page may not connect to anything", async () => {
  const { page, end } = await open(join(folder, "klplink.html"));
  const tried = await page.evaluate(() =>
    fetch("data:text/plain,x").then(
      () => "connected",
      () => "refused",
    ),
  );
  expect(tried).toBe("refused");
  await end();
});

describe.each([
  ["check", ["check", MODULE, "-k", MAP], "KLP301"],
  ["explain", ["explain", "-m", MODULE, "-k", MAP, "meminfo: Unknown symbol show_val_kb (err -2)"], "It is used here"],
  [
    "matrix",
    [
      "check",
      "samples/ppc64le/meminfo/meminfo.klp.o",
      "--against",
      MAP,
      "samples/ppc64le/sibling/System.map",
      "test/fixtures/kernel/vmlinux-x86_64",
    ],
    "What was found",
  ],
  ["sites", ["sites", "test/fixtures/sites/x86-fentry.o"], "With a usable site"],
  [
    "diff",
    [
      "diff",
      "test/fixtures/diff/pairs/address-of-changed.arm64.orig.o",
      "test/fixtures/diff/pairs/address-of-changed.arm64.patched.o",
    ],
    "first difference",
  ],
] as const)("klplink %s --format html", (name, args, part) => {
  test.each(["light", "dark"] as const)("%s, without script, on a narrow screen and printed", async (scheme) => {
    const path = join(folder, `${name}.html`);
    writeFileSync(path, (await klplink([...args, "--format", "html"])).stdout);
    const plain = await open(path, scheme, false);
    await plain.page.setViewportSize({ width: 380, height: 800 });
    expect(await plain.page.textContent("main")).toContain(part);
    // Nothing stands beside the screen: what is wide scrolls by itself.
    const box = await plain.page.locator("main").boundingBox();
    expect(box?.width ?? 999).toBeLessThanOrEqual(380);
    expect((await plain.page.pdf()).subarray(0, 5).toString()).toBe("%PDF-");
    expect(plain.requests).toEqual([pathToFileURL(path).href]);
    await plain.end();
    const { page, faults, end } = await open(path, scheme);
    expect(await wrongIn(page)).toEqual([]);
    expect(faults).toEqual([]);
    await end();
  });
});
