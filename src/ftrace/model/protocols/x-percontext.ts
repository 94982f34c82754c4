import type { Protocol } from "../protocol.ts";
import { twoSiteCalls, twoSitePlaces, twoSites, twoSiteWriter } from "./base/x86-two-sites.ts";

export default {
  ...twoSites,
  name: "X-percontext",
  title: "int3 trampoline with one variable for each context",
  about:
    "Steven Rostedt's four trampolines for i686: one variable each for task, softirq, interrupt and NMI. Two of them are modelled, task and NMI.",
  expect: "holds",
  perCpu: { normal: 0, nmi: 0 },
  places: {
    ...twoSitePlaces,
    handler: {
      run: "if level == 0: %normal = trap; if level == 1: %nmi = trap; goto trampoline",
      irqsOff: true,
      title: "#BP handler leaves ip in its context's variable",
    },
    trampoline: {
      run: 'if level == 0: push %normal; if level == 1: push %nmi; ops = "list"; goto tracer',
      irqsOff: true,
      title: "the context's trampoline pushes it",
    },
  },
  instructions: twoSiteCalls,
  writer: twoSiteWriter,
} as const satisfies Protocol;
