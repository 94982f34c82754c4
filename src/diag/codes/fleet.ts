// A module against many kernels.

import { define } from "../define.ts";

export const KLP850 = define<{ readonly what: string }>({
  level: "error",
  title: (d) => `not a part of one run over many kernels: ${d.what}`,
  help: () =>
    "give each part once: the output of `klplink check MODULES --against KERNELS --shard I/N --format json`, for each I",
  explain:
    "`klplink merge` puts the parts together that `--shard I/N` made of one run, with the same modules, the same kernels and the same version of klplink. A part that is missing would hide what its kernels say, so nothing is written then.",
});

export const KLP851 = define<Record<string, never>>({
  level: "error",
  title: () => "no kernel is in the folder",
  help: () => "give releases, kernels (vmlinuz-…), packages (.deb, .rpm, .pkg.tar.zst), or a folder with these",
  explain:
    "`--against FOLDER` takes the kernels of a folder: those that boot (vmlinuz-…, vmlinux-…, Image-…), packages of kernels, build folders, and folders that have a `boot` with kernels in it. Deeper folders are not looked into.",
});
