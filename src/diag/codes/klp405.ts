import { define } from "../define.ts";

export default define<{ readonly symbol: string; readonly position: number; readonly count: number }>({
  level: "warning",
  title: (d) => `${d.symbol}: position ${d.position} of ${d.count} taken, the only global one`,
  help: (d) => `if a static one is meant, say so: \`--sympos ${d.symbol}=N\``,
  explain:
    "Several symbols share the name, and all but one are static. An undefined symbol of an object file means the global one by the rules of C.",
});
