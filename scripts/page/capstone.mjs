// Capstone with its WebAssembly out of the page itself.

import packed from "klplink:capstone";
import load from "@alexaltea/capstone-js";
import pako from "pako";

const bytesOf = (base64) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));

export default () => load({ wasmBinary: pako.ungzip(bytesOf(packed)) });
