// Command pack makes the image of casshook from staged files, for each architecture a docker archive, and one OCI archive
// with all of them. The same files give the same bytes: no time, owner or order of the machine that packs is in them.
//
//	go run ./pack -version 1.2.3 -stage bin/stage -out bin/image
//
// reads bin/stage/amd64 and bin/stage/arm64, each the root of an image, and writes
// bin/image/casshook-1.2.3-{amd64,arm64}.tar (docker load, ctr images import) and bin/image/casshook-1.2.3.oci.tar.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() {
	var o options
	flag.StringVar(&o.version, "version", "dev", "tag of the image")
	flag.StringVar(&o.name, "name", "casshook", "name of the image, with its registry if it has one")
	flag.StringVar(&o.stage, "stage", "bin/stage", "directory with one root file system per architecture")
	flag.StringVar(&o.out, "out", "bin/image", "directory to write to")
	architectures := flag.String("arch", "amd64,arm64", "architectures, separated by commas")
	flag.Parse()
	o.architectures = strings.Split(*architectures, ",")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	written, err := pack(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
	for _, line := range written {
		fmt.Println(line)
	}
}
