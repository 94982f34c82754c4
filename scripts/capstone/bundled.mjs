// In the bundle's place of npm's @alexaltea/capstone-js. What starts the bundle (bin/klplink.js, scripts/single/start.cjs) gives the bytes of a
// .wasm for its path from dist/ on.
import { loaderOf } from "./load.mjs";

export default loaderOf((name) => require(`./capstone/${name}`));
