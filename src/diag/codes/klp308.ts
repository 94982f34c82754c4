import { define } from "../define.ts";

export default define<{ readonly callee: string }>({
  level: "warning",
  title: (d) => `${d.callee} returns twice or looks at its return address; the island's is another one (rule I15)`,
  help: () => "check that nothing compares the address with one in the function",
  explain:
    "After linking, the callee returns into the island, which is a part of the calling function, and from there to the call site.",
});
