type Options = { readonly maxOutputLength?: number };
export function inflateSync(bytes: Uint8Array, options?: Options): Uint8Array;
export function inflateRawSync(bytes: Uint8Array, options?: Options): Uint8Array;
export function gunzipSync(bytes: Uint8Array, options?: Options): Uint8Array;
export function deflateSync(bytes: Uint8Array, options?: { readonly level?: number }): Uint8Array;
