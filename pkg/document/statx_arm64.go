package document

// sysStatx is the number of statx(2); package syscall does not name it.
const sysStatx = 291
