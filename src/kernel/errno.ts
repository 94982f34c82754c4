/** Error numbers that loading a module can end with (include/uapi/asm-generic/errno*.h), and what is meant by them here. */
export const errnoNames: ReadonlyMap<number, string> = new Map([
  [1, "EPERM: not allowed"],
  [2, "ENOENT: not there"],
  [8, "ENOEXEC: the file is not one that this kernel can load"],
  [11, "EAGAIN: try again"],
  [12, "ENOMEM: out of memory"],
  [14, "EFAULT: an address that cannot be reached"],
  [16, "EBUSY: in use"],
  [17, "EEXIST: there already"],
  [19, "ENODEV: switched off, or no such device"],
  [22, "EINVAL: a wrong value"],
  [110, "ETIMEDOUT: it took too long"],
  [129, "EKEYREJECTED: the signature's key was rejected"],
]);
