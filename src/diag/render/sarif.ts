// SARIF 2.1.0 (OASIS Standard): the form that code-scanning services read.

import { jsonPieces } from "../../base/json.ts";
import { chained, mapped } from "../../base/lists.ts";
import { fixOf, helpOf, kernelOf, levelOf, type Problem, titleOf, whyOf } from "../catalogue.ts";
import type { Definition, Place, SourcePlace } from "../define.ts";
import { type Code, catalogue, codes } from "../definitions.ts";
import { tallyOf, withoutRepeats } from "../tally.ts";
import { formatPlace, formatSource } from "./text.ts";

type Json = Record<string, unknown>;

const SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/** Where klplink and its documentation are; package.json has it as `homepage`. */
export const PROJECT = "https://github.com/klplink/klplink";
/** The base that relative paths refer to: the folder in which klplink ran. */
const BASE = "ROOT";

/** One log with one run for all files, in pieces. @param folder to which source paths below it are made relative. */
export function renderSarif(
  version: string,
  files: readonly { readonly file: string; readonly problems: readonly Problem[] }[],
  folder?: string,
): Iterable<string> {
  const problems = withoutRepeats(files.flatMap((f) => f.problems));
  const used = codes.filter((code) => problems.some((p) => p.code === code));
  const fingerprints = fingerprintsOf(problems);
  const log = {
    $schema: SCHEMA,
    version: "2.1.0",
    runs: [
      {
        tool: {
          driver: {
            name: "klplink",
            version,
            semanticVersion: version,
            informationUri: PROJECT,
            rules: used.map(ruleOf),
          },
        },
        originalUriBaseIds: { [BASE]: { description: { text: "The folder in which klplink ran." } } },
        artifacts: [...new Set(files.map((f) => f.file))].map((file) => ({
          location: artifact(file),
          roles: ["analysisTarget"],
        })),
        columnKind: "unicodeCodePoints",
        results: mapped(problems, (p) => resultOf(p, used.indexOf(p.code), fingerprints.get(p) ?? "", folder)),
        properties: { total: tallyOf(files.map((f) => f.problems)) },
      },
    ],
  };
  return chained(jsonPieces(log), ["\n"]);
}

/**
 * What a result is known by in another log. It stays the same when code in front of it grows: the place within the function is not
 * part of it. Of several that are alike in a file, each has its number behind it.
 */
function fingerprintsOf(problems: readonly Problem[]): ReadonlyMap<Problem, string> {
  const counts = new Map<string, number>();
  return new Map(
    problems.map((p) => {
      const words = [p.code, p.at.file, p.at.section, p.at.function?.name, titleOf(p)].join("|");
      const count = (counts.get(words) ?? 0) + 1;
      counts.set(words, count);
      return [p, count === 1 ? words : `${words}|${count}`];
    }),
  );
}

/** `KlpXxx` names are for people; ids stay the codes. */
function ruleOf(code: Code): Json {
  const { level, explain } = catalogue[code] as Definition<unknown>;
  const [first = explain] = explain.split(/(?<=\.)\s/);
  return {
    id: code,
    shortDescription: { text: first.replace(/\s+/g, " ") },
    fullDescription: { text: explain },
    help: { text: `${explain}\n\nklplink explain ${code}` },
    helpUri: `${PROJECT}/blob/main/docs/diagnostics.md#${code.toLowerCase()}`,
    defaultConfiguration: { level },
  };
}

function resultOf(p: Problem, ruleIndex: number, fingerprint: string, folder: string | undefined): Json {
  const kernel = kernelOf(p);
  const why = whyOf(p);
  const help = helpOf(p);
  const text = [
    `${titleOf(p)}.`,
    ...(why === null ? [] : [`Why: ${why}.`]),
    ...(kernel === null ? [] : [`The kernel says: ${kernel}`]),
    ...(help === null ? [] : [`Help: ${help}.`]),
  ].join("\n");
  const [innermost, ...callers] = p.at.source ?? [];
  const related = [
    ...callers.map((frame, i) => ({
      id: i + 1,
      physicalLocation: sourceLocation(frame, folder),
      message: { text: `${p.at.source?.[i]?.function ?? "The code"} was inlined here.` },
    })),
    ...(innermost === undefined
      ? []
      : [
          {
            id: callers.length + 1,
            physicalLocation: objectLocation(p.at),
            message: { text: `The instruction in the file: ${formatPlace({ ...p.at, source: [] })}.` },
          },
        ]),
  ];
  return {
    ruleId: p.code,
    ruleIndex,
    level: levelOf(p),
    message: { text },
    locations: [
      {
        physicalLocation: innermost === undefined ? objectLocation(p.at) : sourceLocation(innermost, folder),
        ...(p.at.function === undefined
          ? {}
          : {
              logicalLocations: [
                { name: p.at.function.name, fullyQualifiedName: p.at.function.name, kind: "function" },
              ],
            }),
      },
    ],
    ...(related.length === 0 ? {} : { relatedLocations: related }),
    partialFingerprints: { "klplink/v2": fingerprint },
    properties: { kernel, fix: fixOf(p) },
  };
}

const artifact = (given: string): Json => {
  // URIs are made of whole characters.
  const path = given.replace(/\p{Cs}/gu, "\ufffd");
  return path.startsWith("/")
    ? { uri: `file://${encodeURI(path)}` }
    : { uri: encodeURI(path.replace(/^\.\//, "")).replace(/[?#<>]/g, encodeURIComponent), uriBaseId: BASE };
};

function sourceLocation(source: SourcePlace, folder: string | undefined): Json {
  const path = /^(.*?)(?::\d+)*$/s.exec(formatSource({ ...source, line: 0 }, folder))?.[1] ?? source.file;
  const region =
    source.line === 0
      ? {}
      : { region: { startLine: source.line, ...(source.column === 0 ? {} : { startColumn: source.column }) } };
  return { artifactLocation: artifact(path), ...region };
}

function objectLocation(at: Place): Json {
  const region =
    at.line !== undefined
      ? { region: { startLine: at.line } }
      : at.fileOffset !== undefined
        ? { region: { byteOffset: at.fileOffset } }
        : {};
  const address =
    at.section === undefined
      ? {}
      : {
          address: {
            relativeAddress: at.offset ?? 0,
            fullyQualifiedName: `${at.section}+0x${(at.offset ?? 0).toString(16)}`,
            kind: at.function === undefined ? "section" : "instruction",
          },
        };
  return { artifactLocation: artifact(at.file), ...region, ...address };
}
