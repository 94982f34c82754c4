// Words of a command that is offered for copying.

/** A word as a POSIX shell takes it for this very text: quoted where it must be. */
export const shellWord = (text: string): string =>
  /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replace(/'/g, "'\\''")}'`;

/** A file's name as an argument: quoted where it must be, and never taken for an option. `-` alone is standard input. */
export const shellFile = (path: string): string =>
  shellWord(path.length > 1 && path.startsWith("-") ? `./${path}` : path);
