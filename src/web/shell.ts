// The page without its code: what stands in it before a file was given.

import { html, Markup } from "../diag/render/html/markup.ts";
import { PAGE_STYLE } from "../diag/render/html/page.ts";

const OWN_STYLE = `#drop{border:2px dashed var(--line);border-radius:8px;padding:1.2rem;background:var(--card)}#drop.over,#drop:focus-within{border-color:var(--link)}
textarea{width:100%;min-height:6rem;font:inherit;font-family:ui-monospace,monospace;font-size:.86rem;color:inherit;background:var(--page);border:1px solid var(--line);border-radius:4px;padding:.5rem}
button,input[type=file]{font:inherit}.save{display:inline-block;margin:.3rem .8rem .3rem 0;padding:.4rem .8rem;border:1px solid var(--good);border-radius:6px;color:var(--good);text-decoration:none;font-weight:700}
label{font-weight:700;display:block;margin:.8rem 0 .3rem}@media print{form{display:none}}`;

/**
 * @param code the page's own script, of which nothing ends a script element
 * @param licences of what the page holds of others
 */
export function pageShell(code: string, version: string, licences: string): string {
  if (/<\/script|<!--/i.test(code)) throw new Error("the code would end its element");
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width,initial-scale=1"><title>klplink</title>
<style>${new Markup(PAGE_STYLE + OWN_STYLE)}</style></head>
<body><main><h1>klplink</h1>
<p>What the kernel's module loader does with a module: why it is refused, where, and what to do. Nothing leaves this machine.</p>
<form id="form">
<div id="drop"><label for="chooser">Modules, and files about the kernel</label>
<input type="file" id="chooser" multiple>
<p class="note">Drop them here: a .ko or .o (ppc64le, arm64, x86_64; packed or not), System.map, vmlinux, vmlinuz, Module.symvers.</p>
<ul id="files" aria-label="files that were given"></ul></div>
<label for="log">Lines of dmesg</label>
<textarea id="log" spellcheck="false" placeholder="module_64: kpatch_meminfo: Expect noop after relocate, got 3d220000"></textarea>
<p><button type="button" id="explain">Explain</button> <span id="status" role="status" aria-live="polite"></span></p>
</form>
<div id="results"></div></main>
<footer>klplink ${version}. One file, opened from disk; it can be copied and kept. MIT licence.
<details><summary>Licences of what it holds of others</summary><pre>${licences}</pre></details></footer>
<script>${new Markup(code)}</script></body></html>
`.text;
}
