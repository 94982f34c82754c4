import type { Protocol } from "../protocol.ts";
import { twoSiteCalls, twoSitePlaces, twoSites, twoSiteWriter } from "./base/x86-two-sites.ts";

export default {
  ...twoSites,
  name: "X-percpu",
  title: "int3 trampoline with ip in one variable a CPU",
  about:
    "Without a spare register (i686) the address could go through memory. One variable is not enough: an NMI overwrites it.",
  expect: ["O1"],
  perCpu: { ip: 0 },
  places: {
    ...twoSitePlaces,
    handler: { run: "%ip = trap; goto trampoline", irqsOff: true, title: "#BP handler leaves ip in the variable" },
    trampoline: { run: 'push %ip; ops = "list"; goto tracer', irqsOff: true, title: "trampoline pushes it" },
  },
  instructions: twoSiteCalls,
  writer: twoSiteWriter,
} as const satisfies Protocol;
