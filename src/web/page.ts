// The page in a browser: files are dropped, a log is pasted, what is found is shown. Nothing leaves the machine: the page may not
// connect to anything (its Content-Security-Policy), and has nothing to load.

import { openDisassembler } from "../diag/render/disassemble.ts";
import { type GivenFile, type LinkedFile, sessionOf } from "./session.ts";

const byId = <T extends HTMLElement>(id: string): T => {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`no element ${id}`);
  return found as T;
};

const given = new Map<string, GivenFile>();
let links: string[] = [];
/** Number of the last run: one that was overtaken shows nothing. */
let latest = 0;

function say(text: string): void {
  byId("status").textContent = text;
}

function showFiles(): void {
  const list = byId("files");
  list.replaceChildren();
  for (const name of given.keys()) {
    const item = document.createElement("li");
    const remove = document.createElement("button");
    remove.type = "button";
    remove.textContent = "remove";
    remove.setAttribute("aria-label", `remove ${name}`);
    remove.addEventListener("click", () => {
      given.delete(name);
      showFiles();
      void run();
    });
    item.append(`${name} `, remove);
    list.append(item);
  }
}

/** A link that saves a linked module. */
function saveLink({ name, bytes }: LinkedFile): HTMLElement {
  const url = URL.createObjectURL(new Blob([bytes as Uint8Array<ArrayBuffer>], { type: "application/octet-stream" }));
  links.push(url);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.textContent = `Save ${name}`;
  link.className = "save";
  return link;
}

async function run(): Promise<void> {
  const number = ++latest;
  const log = byId<HTMLTextAreaElement>("log").value;
  for (const url of links) URL.revokeObjectURL(url);
  links = [];
  const results = byId("results");
  if (given.size === 0 && log.trim() === "") {
    results.replaceChildren();
    say("");
    return;
  }
  say("Reading…");
  // The browser shows it before the work begins.
  await new Promise((next) => setTimeout(next, 20));
  try {
    const { body, linked } = await sessionOf([...given.values()], log, openDisassembler);
    if (number !== latest) return;
    // Made of templates in which every text of a file is escaped.
    results.innerHTML = body.text;
    for (const file of linked.toReversed()) results.prepend(saveLink(file));
    const modules = linked.length === 1 ? "one module was linked" : `${linked.length} modules were linked`;
    say(linked.length === 0 ? "Done." : `Done: ${modules}.`);
  } catch (error) {
    if (number !== latest) return;
    results.replaceChildren();
    say(`This is a fault of klplink, please report it: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function take(files: Iterable<File>): Promise<void> {
  for (const file of files) {
    try {
      given.set(file.name, { name: file.name, bytes: new Uint8Array(await file.arrayBuffer()) });
    } catch {
      say(`${file.name} cannot be read: a folder, or a file without permission?`);
    }
  }
  showFiles();
  await run();
}

const drop = byId("drop");
const chooser = byId<HTMLInputElement>("chooser");
chooser.addEventListener("change", () => void take(chooser.files ?? []));
for (const event of ["dragenter", "dragover"])
  document.addEventListener(event, (e) => {
    e.preventDefault();
    drop.classList.add("over");
  });
document.addEventListener("dragleave", (e) => {
  if (e.relatedTarget === null) drop.classList.remove("over");
});
document.addEventListener("drop", (e) => {
  e.preventDefault();
  drop.classList.remove("over");
  void take(e.dataTransfer?.files ?? []);
});
byId("explain").addEventListener("click", () => void run());
