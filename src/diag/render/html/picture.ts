// How a call leaves a ppc64le module, and who brings r2 back: as it is, and as klplink links it.

import { html, type Markup } from "./markup.ts";

export interface PicturedCall {
  /** The function that calls. */
  readonly caller: string;
  readonly callee: string;
  /** A sibling call is a branch without return. */
  readonly isSibling: boolean;
}

/** A name that fits into a box. */
const short = (name: string): string => (name.length <= 22 ? name : `${name.slice(0, 14)}…${name.slice(-7)}`);

/** What the loader puts between a module and the world outside it. */
const STUB = ["std r2,24(r1)", "load r12, bctr"];

interface Half {
  readonly y: number;
  readonly title: string;
  readonly caller: readonly string[];
  /** A box behind the caller; null: the call goes to the loader's stub directly. */
  readonly island: readonly string[] | null;
  readonly outcome: readonly string[];
  readonly isGood: boolean;
}

const box = (x: number, y: number, width: number, title: string, lines: readonly string[]): Markup =>
  html`<rect x="${x}" y="${y}" width="${width}" height="${30 + 18 * lines.length}" rx="5" fill="none" stroke="currentColor"/><text x="${x + 10}" y="${y + 20}" font-weight="700">${title}</text>${lines.map(
    (line, i) =>
      html`<text x="${x + 10}" y="${y + 40 + 18 * i}" font-family="ui-monospace,monospace" font-size="12">${line}</text>`,
  )}`;

const arrow = (from: number, to: number, y: number, text: string): Markup =>
  html`<path d="M${from} ${y}H${to}" fill="none" stroke="currentColor"/><path d="M${to} ${y}l-8 -4v8z"/><text x="${(from + to) / 2}" y="${y - 5}" font-size="11" text-anchor="middle">${text}</text>`;

/** The boxes on the way from the caller to the callee, with the instructions that lead from one to the next. */
function way(call: PicturedCall, h: Half, top: number): Markup[] {
  const y = top + 36;
  const left = call.isSibling ? "b" : "bl";
  if (h.island === null)
    return [arrow(212, 327, y, left), box(330, top, 150, "stub", STUB), arrow(482, 687, y, "bctr")];
  const island = box(260, top, 170, "island", h.island);
  if (call.isSibling) return [arrow(212, 257, y, "b"), island, arrow(432, 687, y, "bctr")];
  const stub = box(480, top, 150, "stub", STUB);
  return [arrow(212, 257, y, "b"), island, arrow(432, 477, y, "bl"), stub, arrow(632, 687, y, "bctr")];
}

function half(call: PicturedCall, h: Half): Markup {
  const top = h.y + 22;
  const color = h.isGood ? "good" : "bad";
  return html`<text x="10" y="${h.y + 8}" font-weight="700" class="${color}" fill="currentColor">${h.title}</text>
${box(10, top, 200, short(call.caller), h.caller)}${way(call, h, top)}${box(690, top, 200, short(call.callee), ["sets r2 to its own TOC", "blr"])}
${h.outcome.map(
  (line, i) =>
    html`<text x="10" y="${top + 110 + 18 * i}" class="${color}" fill="currentColor" font-size="13">${line}</text>`,
)}`;
}

const plainCall = (call: PicturedCall): readonly Half[] => [
  {
    y: 20,
    title: "as it was compiled",
    caller: [`bl ${short(call.callee)}`, "next instruction"],
    island: null,
    outcome: [
      `${call.callee} returns with r2 pointing to its own TOC. Behind the call there is no nop that the loader could turn into`,
      "ld r2,24(r1): the loader refuses the module.",
    ],
    isGood: false,
  },
  {
    y: 200,
    title: "as klplink links it",
    caller: ["b island", "next instruction"],
    island: [`bl ${short(call.callee)}`, "nop → ld r2,24(r1)", "b next instruction"],
    outcome: [
      "The loader turns the island's nop into ld r2,24(r1): r2 is the module's again when the function goes on.",
    ],
    isGood: true,
  },
];

const siblingCall = (call: PicturedCall): readonly Half[] => [
  {
    y: 20,
    title: "as it was compiled",
    caller: [`b ${short(call.callee)}`],
    island: null,
    outcome: [
      `24(r1) is the frame of ${call.caller}'s caller here: the stub overwrites the TOC that it saved there. The loader says`,
      "nothing, and the kernel crashes later.",
    ],
    isGood: false,
  },
  {
    y: 200,
    title: "as klplink links it",
    caller: ["b island"],
    island: ["ld r12,slot(r2)", "mtctr r12", "bctr"],
    outcome: ["The island enters the function without a stub, so nothing is stored into a frame that is not its own."],
    isGood: true,
  },
];

/** The picture of a call, with a text for those who do not see it. */
export function callPicture(call: PicturedCall): Markup {
  const halves = call.isSibling ? siblingCall(call) : plainCall(call);
  const words = halves.map((h) => `${h.title}: ${h.outcome.join(" ")}`).join(" ");
  return html`<figure><svg viewBox="0 0 900 ${halves.length * 180 + 10}" width="900" role="img" aria-label="${words}" font-family="system-ui,sans-serif" font-size="13" fill="currentColor">
${halves.map((h) => half(call, h))}
</svg></figure>`;
}
