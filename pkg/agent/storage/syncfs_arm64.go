package storage

// sysSyncfs is the number of Syncfs(2); package syscall does not name it.
const sysSyncfs = 267
