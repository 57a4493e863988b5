// Command pause does nothing, as PID 1: of the node, where it reaps what its daemons leave behind, and of each pod's
// sandbox. SIGTERM and SIGINT end it.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGCHLD, syscall.SIGTERM, syscall.SIGINT)
	for number := range signals {
		if number != syscall.SIGCHLD {
			os.Exit(0)
		}
		for {
			// One signal may stand for many children.
			if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); err != nil || pid <= 0 {
				break
			}
		}
	}
}
