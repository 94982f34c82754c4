import { define } from "../define.ts";

export default define<Record<string, never>>({
  level: "warning",
  title: () => "the module's signature is dropped, because the module changes",
  help: () => "sign the output again (scripts/sign-file), as the last step",
  explain:
    "A signature covers every byte of a module. klplink keeps it when the output equals the input, and drops it when anything changes: a wrong signature would be refused by a kernel that enforces signatures, and taints others.",
});
