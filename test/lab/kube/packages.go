package kube

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// packages installs what Debian has and this machine has not.
func (l *Lab) packages(ctx context.Context) error {
	missing := missingPackages(func(program string) bool {
		if strings.HasPrefix(program, "/") {
			return exists(program)
		}
		_, err := exec.LookPath(program)
		return err == nil
	})
	if len(missing) == 0 {
		return nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil {
		return fmt.Errorf("programs of these Debian packages are missing and there is no apt-get: %s", strings.Join(missing, " "))
	}
	l.Log("install %s", strings.Join(missing, " "))
	env := []string{"DEBIAN_FRONTEND=noninteractive"}
	if _, err := callIn(ctx, "", env, "apt-get", "update", "-qq"); err != nil {
		return err
	}
	_, err := callIn(ctx, "", env, append([]string{"apt-get", "install", "-y", "-qq", "--no-install-recommends"}, missing...)...)
	return err
}

func missingPackages(have func(program string) bool) []string {
	var missing []string
	for program, pkg := range debianPackages() {
		if !have(program) {
			missing = append(missing, pkg)
		}
	}
	slices.Sort(missing)
	return missing
}
