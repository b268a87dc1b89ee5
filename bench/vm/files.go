package vm

import (
	"encoding/json"
	"fmt"

	"zombench/bench/vm/guest"
	"zombench/bench/vm/initramfs"
)

// GuestFiles returns the files of a guest that runs c: init is the host's path
// of a static program that calls guest.Main when guest.IsInit is true, and more
// is what else the guest needs.
func GuestFiles(init string, c guest.Config, more ...initramfs.File) ([]initramfs.File, error) {
	conf, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encoding the guest's configuration: %w", err)
	}
	return append([]initramfs.File{
		{Path: guest.InitPath, Source: init, Mode: 0o755},
		{Path: guest.ConfigPath, Data: conf},
		// The Go runtime opens /dev/null for standard descriptors that are
		// closed, and the kernel may start init without any. An empty file
		// does, until devtmpfs is mounted over it.
		{Path: "/dev/null", Mode: 0o666},
	}, more...), nil
}
