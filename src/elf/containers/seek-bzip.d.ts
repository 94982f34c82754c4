declare module "seek-bzip" {
  interface Bunzip {
    /** Unpacks one stream. Throws whatever it likes for damaged data. */
    decode(
      input: { readByte(): number; read(into: Uint8Array, from: number, count: number): number },
      output: { writeByte(byte: number): void },
    ): void;
  }
  const bunzip: Bunzip;
  export default bunzip;
}
