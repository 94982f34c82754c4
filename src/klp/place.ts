// Places for diagnostics.

import { printable } from "../base/bytes.ts";
import type { Place } from "../diag/define.ts";
import { SHF_EXECINSTR } from "../elf/consts.ts";
import type { SymbolizedFile } from "./functions.ts";

/** What a diagnostic needs to name a place. */
export interface Placer extends Pick<SymbolizedFile, "file" | "functions"> {
  /** Name of the file for messages. */
  readonly path: string;
}

/** Makes a place when a problem is found there: rules look at far more places than they say something of. */
export type PlaceOf = () => Place;

/** A place in a section for a diagnostic: in code with the function that it is in. One that lies outside has the section alone. */
export function placeIn(placer: Placer, section: number, offset: number): Place {
  const { sections } = placer.file;
  if (!(offset >= 0 && offset <= sections.size(section)))
    return { file: placer.path, section: printable(sections.name(section)) };
  if (sections.hasFlags(section, SHF_EXECINSTR)) return namedPlaceIn(placer, section, offset);
  return { file: placer.path, section: printable(sections.name(section)), offset };
}

/** As {@link placeIn}, in data with the symbol that it is in, too. */
export function namedPlaceIn({ file, functions, path }: Placer, section: number, offset: number): Place {
  const at = { file: path, section: printable(file.sections.name(section)), offset };
  const owner = functions.at(section, offset);
  return owner === null ? at : { ...at, function: { name: printable(owner.name), offset: offset - owner.start } };
}
