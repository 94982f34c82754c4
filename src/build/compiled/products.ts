// Files that kbuild makes, told by their names.

const PRODUCT =
  /(?:^|\/)(?:\.config(?:\.old)?|vmlinux(?:\.(?:o|a|unstripped))?|System\.map|Module\.symvers|modules\.(?:order|builtin.*)|\.[^/]*\.(?:cmd|d)|[^/]*\.(?:o|ko|a|mod|mod\.c|so|so\.dbg))$/;

/** Whether a file is one that a build makes, by its path. Archives of kbuild's own programs come with the source. */
export const isProductFile = (path: string): boolean => PRODUCT.test(path) && !/^scripts\/.*\.a$/.test(path);
