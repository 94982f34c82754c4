// Put in front of klplink (`node -r`): ends the run at the Nth call that changes anything in the file system, or lets the disk be full from it on.
// KLPLINK_END_AT: `kill N`, before the call; `half N`, after half of what a write has to write; `full N`; `count`. How many calls there were goes
// into the file KLPLINK_END_COUNT.
"use strict";
const fs = require("node:fs");

const [way, number] = (process.env.KLPLINK_END_AT ?? "count").split(" ");
const at = Number(number ?? 0);
const told = process.env.KLPLINK_END_COUNT;
let count = 0;

const WRITES = fs.constants.O_WRONLY | fs.constants.O_RDWR | fs.constants.O_CREAT;
const { writeSync, openSync, writeFileSync, closeSync } = fs;
const die = () => {
  process.kill(process.pid, "SIGKILL");
  // The signal is there before the next call.
  for (;;) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);
};

/** @param half writes half of it; null: it is no write @param takesRoom whether a full disk refuses it */
function wrap(name, counts, takesRoom, half) {
  const real = fs[name];
  fs[name] = (...args) => {
    if (!counts(args)) return real(...args);
    count++;
    if (told !== undefined) writeFileSync(told, String(count));
    if (way === "kill" && count === at) die();
    if (way === "half" && count === at) {
      half?.(args);
      die();
    }
    if (way === "full" && count >= at && takesRoom) {
      half?.(args);
      throw Object.assign(new Error("ENOSPC: no space left on device"), { code: "ENOSPC", syscall: name });
    }
    return real(...args);
  };
}

const always = () => true;
const toFile = ([fd]) => fd > 2;
wrap("openSync", ([, flags = "r"]) => (typeof flags === "number" ? (flags & WRITES) !== 0 : flags !== "r"), true, null);
wrap("writeSync", toFile, true, ([fd, data, from = 0]) => {
  const bytes = Buffer.from(data).subarray(from);
  writeSync(fd, bytes, 0, bytes.length >> 1);
});
wrap("writeFileSync", always, true, ([path, data, options]) => {
  if (typeof path === "number") return;
  const fd = openSync(path, options?.flag ?? "w", options?.mode ?? 0o666);
  const bytes = Buffer.from(data);
  writeSync(fd, bytes, 0, bytes.length >> 1);
  closeSync(fd);
});
for (const name of ["mkdirSync", "linkSync", "symlinkSync", "copyFileSync", "cpSync"]) wrap(name, always, true, null);
for (const name of [
  "renameSync",
  "unlinkSync",
  "rmSync",
  "rmdirSync",
  "fsyncSync",
  "chmodSync",
  "fchmodSync",
  "fchownSync",
  "utimesSync",
])
  wrap(name, always, false, null);
