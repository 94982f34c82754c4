import { isBefore } from "../base/order.ts";
import klp101 from "./codes/klp101.ts";
import klp102 from "./codes/klp102.ts";
import klp103 from "./codes/klp103.ts";
import klp104 from "./codes/klp104.ts";
import klp105 from "./codes/klp105.ts";
import klp106 from "./codes/klp106.ts";
import klp107 from "./codes/klp107.ts";
import klp108 from "./codes/klp108.ts";
import klp109 from "./codes/klp109.ts";
import klp110 from "./codes/klp110.ts";
import klp111 from "./codes/klp111.ts";
import klp201 from "./codes/klp201.ts";
import klp202 from "./codes/klp202.ts";
import klp203 from "./codes/klp203.ts";
import klp204 from "./codes/klp204.ts";
import klp205 from "./codes/klp205.ts";
import klp206 from "./codes/klp206.ts";
import klp207 from "./codes/klp207.ts";
import klp208 from "./codes/klp208.ts";
import klp209 from "./codes/klp209.ts";
import klp210 from "./codes/klp210.ts";
import klp211 from "./codes/klp211.ts";
import klp212 from "./codes/klp212.ts";
import klp213 from "./codes/klp213.ts";
import klp214 from "./codes/klp214.ts";
import klp220 from "./codes/klp220.ts";
import klp221 from "./codes/klp221.ts";
import klp222 from "./codes/klp222.ts";
import klp223 from "./codes/klp223.ts";
import klp224 from "./codes/klp224.ts";
import klp230 from "./codes/klp230.ts";
import klp231 from "./codes/klp231.ts";
import klp232 from "./codes/klp232.ts";
import klp233 from "./codes/klp233.ts";
import klp301 from "./codes/klp301.ts";
import klp302 from "./codes/klp302.ts";
import klp303 from "./codes/klp303.ts";
import klp304 from "./codes/klp304.ts";
import klp305 from "./codes/klp305.ts";
import klp306 from "./codes/klp306.ts";
import klp307 from "./codes/klp307.ts";
import klp308 from "./codes/klp308.ts";
import klp309 from "./codes/klp309.ts";
import klp310 from "./codes/klp310.ts";
import klp311 from "./codes/klp311.ts";
import klp312 from "./codes/klp312.ts";
import klp313 from "./codes/klp313.ts";
import klp314 from "./codes/klp314.ts";
import klp401 from "./codes/klp401.ts";
import klp402 from "./codes/klp402.ts";
import klp403 from "./codes/klp403.ts";
import klp404 from "./codes/klp404.ts";
import klp405 from "./codes/klp405.ts";
import klp406 from "./codes/klp406.ts";
import klp407 from "./codes/klp407.ts";
import klp408 from "./codes/klp408.ts";
import klp409 from "./codes/klp409.ts";
import klp410 from "./codes/klp410.ts";
import klp411 from "./codes/klp411.ts";
import klp412 from "./codes/klp412.ts";
import klp413 from "./codes/klp413.ts";
import klp414 from "./codes/klp414.ts";
import klp415 from "./codes/klp415.ts";
import klp416 from "./codes/klp416.ts";
import klp417 from "./codes/klp417.ts";
import klp418 from "./codes/klp418.ts";
import klp419 from "./codes/klp419.ts";
import klp420 from "./codes/klp420.ts";
import klp421 from "./codes/klp421.ts";
import klp422 from "./codes/klp422.ts";
import klp423 from "./codes/klp423.ts";
import klp424 from "./codes/klp424.ts";
import klp425 from "./codes/klp425.ts";
import klp426 from "./codes/klp426.ts";
import klp427 from "./codes/klp427.ts";
import klp428 from "./codes/klp428.ts";
import klp429 from "./codes/klp429.ts";
import klp430 from "./codes/klp430.ts";
import klp431 from "./codes/klp431.ts";
import klp432 from "./codes/klp432.ts";
import klp433 from "./codes/klp433.ts";
import klp434 from "./codes/klp434.ts";
import klp435 from "./codes/klp435.ts";
import klp436 from "./codes/klp436.ts";
import klp437 from "./codes/klp437.ts";
import klp438 from "./codes/klp438.ts";
import klp439 from "./codes/klp439.ts";
import klp440 from "./codes/klp440.ts";
import klp441 from "./codes/klp441.ts";
import klp442 from "./codes/klp442.ts";
import klp443 from "./codes/klp443.ts";
import klp444 from "./codes/klp444.ts";
import klp445 from "./codes/klp445.ts";
import klp446 from "./codes/klp446.ts";
import klp447 from "./codes/klp447.ts";
import klp448 from "./codes/klp448.ts";
import klp449 from "./codes/klp449.ts";
import klp450 from "./codes/klp450.ts";
import klp451 from "./codes/klp451.ts";
import klp452 from "./codes/klp452.ts";
import klp453 from "./codes/klp453.ts";
import klp454 from "./codes/klp454.ts";
import klp455 from "./codes/klp455.ts";
import klp501 from "./codes/klp501.ts";
import klp502 from "./codes/klp502.ts";
import klp503 from "./codes/klp503.ts";
import klp504 from "./codes/klp504.ts";
import klp505 from "./codes/klp505.ts";
import klp506 from "./codes/klp506.ts";
import klp507 from "./codes/klp507.ts";
import klp508 from "./codes/klp508.ts";
import klp509 from "./codes/klp509.ts";
import klp510 from "./codes/klp510.ts";
import klp511 from "./codes/klp511.ts";
import klp512 from "./codes/klp512.ts";
import klp513 from "./codes/klp513.ts";
import klp514 from "./codes/klp514.ts";
import klp601 from "./codes/klp601.ts";
import klp602 from "./codes/klp602.ts";
import klp603 from "./codes/klp603.ts";
import type { ContextLine, Definition, Instruction, Place } from "./define.ts";

/** One row a code. Codes are stable: 1xx the file, 2xx relocation, 3xx TOC and calls, 4xx livepatch symbols and sections, 5xx module metadata, 6xx patch sites. */
const rows = {
  KLP101: klp101,
  KLP102: klp102,
  KLP103: klp103,
  KLP104: klp104,
  KLP105: klp105,
  KLP106: klp106,
  KLP107: klp107,
  KLP108: klp108,
  KLP109: klp109,
  KLP110: klp110,
  KLP111: klp111,
  KLP201: klp201,
  KLP202: klp202,
  KLP203: klp203,
  KLP204: klp204,
  KLP205: klp205,
  KLP206: klp206,
  KLP207: klp207,
  KLP208: klp208,
  KLP209: klp209,
  KLP210: klp210,
  KLP211: klp211,
  KLP212: klp212,
  KLP213: klp213,
  KLP214: klp214,
  KLP220: klp220,
  KLP221: klp221,
  KLP222: klp222,
  KLP223: klp223,
  KLP224: klp224,
  KLP230: klp230,
  KLP231: klp231,
  KLP232: klp232,
  KLP233: klp233,
  KLP301: klp301,
  KLP302: klp302,
  KLP303: klp303,
  KLP304: klp304,
  KLP305: klp305,
  KLP306: klp306,
  KLP307: klp307,
  KLP308: klp308,
  KLP309: klp309,
  KLP310: klp310,
  KLP311: klp311,
  KLP312: klp312,
  KLP313: klp313,
  KLP314: klp314,
  KLP401: klp401,
  KLP402: klp402,
  KLP403: klp403,
  KLP404: klp404,
  KLP405: klp405,
  KLP406: klp406,
  KLP407: klp407,
  KLP408: klp408,
  KLP409: klp409,
  KLP410: klp410,
  KLP411: klp411,
  KLP412: klp412,
  KLP413: klp413,
  KLP414: klp414,
  KLP415: klp415,
  KLP416: klp416,
  KLP417: klp417,
  KLP418: klp418,
  KLP419: klp419,
  KLP420: klp420,
  KLP421: klp421,
  KLP422: klp422,
  KLP423: klp423,
  KLP424: klp424,
  KLP425: klp425,
  KLP426: klp426,
  KLP427: klp427,
  KLP428: klp428,
  KLP429: klp429,
  KLP430: klp430,
  KLP431: klp431,
  KLP432: klp432,
  KLP433: klp433,
  KLP434: klp434,
  KLP435: klp435,
  KLP436: klp436,
  KLP437: klp437,
  KLP438: klp438,
  KLP439: klp439,
  KLP440: klp440,
  KLP441: klp441,
  KLP442: klp442,
  KLP443: klp443,
  KLP444: klp444,
  KLP445: klp445,
  KLP446: klp446,
  KLP447: klp447,
  KLP448: klp448,
  KLP449: klp449,
  KLP450: klp450,
  KLP451: klp451,
  KLP452: klp452,
  KLP453: klp453,
  KLP454: klp454,
  KLP455: klp455,
  KLP501: klp501,
  KLP502: klp502,
  KLP503: klp503,
  KLP504: klp504,
  KLP505: klp505,
  KLP506: klp506,
  KLP507: klp507,
  KLP508: klp508,
  KLP509: klp509,
  KLP510: klp510,
  KLP511: klp511,
  KLP512: klp512,
  KLP513: klp513,
  KLP514: klp514,
  KLP601: klp601,
  KLP602: klp602,
  KLP603: klp603,
};

type Rows = typeof rows;
export type Code = keyof Rows;
type DataMap = { [C in Code]: Rows[C] extends Definition<infer D> ? D : never };

export const catalogue: { readonly [C in Code]: Definition<DataMap[C]> } = rows;
export const codes = Object.keys(rows) as Code[];

/** A finding: what (code and data), where, and, for those that the loader meets, when. */
export type Problem<C extends Code = Code> = {
  [K in C]: {
    readonly code: K;
    readonly at: Place;
    readonly data: DataMap[K];
    readonly context?: readonly ContextLine[];
    /** The instructions around the place, once they were looked up (annotate.ts). */
    readonly instructions?: readonly Instruction[];
    /** Position in the order in which the loader would meet it; absent: the loader says nothing about it. */
    readonly loadOrder?: readonly number[];
  };
}[C];

export function problem<C extends Code>(
  code: C,
  at: Place,
  data: DataMap[C],
  more: { readonly context?: readonly ContextLine[]; readonly loadOrder?: readonly number[] } = {},
): Problem {
  return { code, at, data, ...more } as unknown as Problem;
}

type AnyDefinition = Definition<unknown>;
const definitionOf = (p: Problem): AnyDefinition => catalogue[p.code] as AnyDefinition;

export const levelOf = (p: Problem): "error" | "warning" => definitionOf(p).level;
export const titleOf = (p: Problem): string => definitionOf(p).title(p.data);
export const briefOf = (p: Problem): string => definitionOf(p).brief?.(p.data) ?? titleOf(p);
export const kernelOf = (p: Problem): string | null => definitionOf(p).kernel?.(p.data) ?? null;
export const whyOf = (p: Problem): string | null => definitionOf(p).why?.(p.data) ?? null;
export const helpOf = (p: Problem): string | null => definitionOf(p).help?.(p.data) ?? null;

/** The command that mends the problem without a rebuild, or null. */
export const fixOf = (p: Problem): string | null => definitionOf(p).fix?.(p.data) ?? null;

/** The problem that stops the loader first, or null if none does. */
export function firstRefusal(problems: readonly Problem[]): Problem | null {
  let first: Problem | null = null;
  for (const p of problems) {
    if (p.loadOrder === undefined || levelOf(p) !== "error") continue;
    if (first?.loadOrder === undefined || isBefore(p.loadOrder, first.loadOrder)) first = p;
  }
  return first;
}

/**
 * The problems whose lines the kernel prints: the one that stops it, and if that is a symbol, those of all other symbols, too.
 * simplify_symbols (6.1, 6.12, 7.2) goes through the whole table before it gives up.
 */
export function printedRefusals(problems: readonly Problem[]): Problem[] {
  const first = firstRefusal(problems);
  if (first === null) return [];
  if (first.loadOrder?.[0] !== SYMBOLS) return [first];
  const isPrinted = (p: Problem): boolean =>
    levelOf(p) === "error" && p.loadOrder?.[0] === SYMBOLS && kernelOf(p) !== null;
  return [first, ...problems.filter((p) => p !== first && isPrinted(p))];
}

/** First number of the load order of what the loader says of symbols; relocations and the rest come after. */
const SYMBOLS = 0;
