package agent

// sysSyncfs is the number of syncfs(2); package syscall does not name it.
const sysSyncfs = 267
