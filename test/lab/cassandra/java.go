package cassandra

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
)

// javaMajor is the Java version all three Cassandra versions were seen to run on. 4.0 and 4.1 know 8 and 11 officially and
// run on 17 with more packages opened (addOpens); nothing of this was tried on later ones.
const javaMajor = 17

// JavaHome finds the JDK to use: JAVA_HOME, else the first java on PATH. It must be version 17.
func JavaHome(ctx context.Context) (string, error) {
	const install = "install a JDK 17 (Debian: openjdk-17-jdk-headless) and put it on PATH or set JAVA_HOME"
	home := os.Getenv("JAVA_HOME")
	if home == "" {
		java, err := exec.LookPath("java")
		if err != nil {
			return "", fmt.Errorf("java is not on PATH; %s", install)
		}
		real, err := filepath.EvalSymlinks(java)
		if err != nil {
			return "", fmt.Errorf("resolve java: %w", err)
		}
		home = filepath.Dir(filepath.Dir(real))
	}
	java := filepath.Join(home, "bin", "java")
	out, err := exec.CommandContext(ctx, java, "-version").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("run %s -version: %w; %s", java, err, install)
	}
	major, err := parseJavaVersion(string(out))
	if err != nil {
		return "", fmt.Errorf("%s: %w", java, err)
	}
	if major != javaMajor {
		return "", fmt.Errorf("%s is Java %d, the lab needs %d; %s", java, major, javaMajor, install)
	}
	return home, nil
}

// parseJavaVersion reads the major version from what java -version prints, 8 being spelled 1.8 there.
func parseJavaVersion(text string) (int, error) {
	match := regexp.MustCompile(`version "(?:1\.)?(\d+)`).FindStringSubmatch(text)
	if match == nil {
		return 0, errors.New("no version in the output of java -version")
	}
	return strconv.Atoi(match[1])
}

// exports are the packages Cassandra 4.0 to 5.0 reach into on Java 11 and 17 (conf/jvm17-server.options of 5.0).
func exports() []string {
	return []string{
		"java.base/jdk.internal.misc", "java.base/jdk.internal.ref", "java.base/sun.nio.ch",
		"java.management.rmi/com.sun.jmx.remote.internal.rmi", "java.rmi/sun.rmi.registry", "java.rmi/sun.rmi.server",
		"java.sql/java.sql",
	}
}

// opens are those of the same file, and the two java.util.concurrent packages that the jamm of 4.0 and 4.1 needs on Java 17.
func opens() []string {
	return []string{
		"java.base/java.lang.module", "java.base/jdk.internal.loader", "java.base/jdk.internal.ref",
		"java.base/jdk.internal.reflect", "java.base/jdk.internal.math", "java.base/jdk.internal.module",
		"java.base/jdk.internal.util.jar", "java.base/jdk.internal.vm", "jdk.management/com.sun.management.internal",
		"java.base/sun.nio.ch", "java.base/java.io", "java.base/java.lang.reflect", "java.base/java.lang",
		"java.base/java.util", "java.base/java.nio", "java.base/java.math", "java.base/java.net",
		"java.base/java.util.concurrent", "java.base/java.util.concurrent.atomic",
	}
}

func moduleFlags() []string {
	var flags []string
	for _, name := range exports() {
		flags = append(flags, "--add-exports", name+"=ALL-UNNAMED")
	}
	for _, name := range opens() {
		flags = append(flags, "--add-opens", name+"=ALL-UNNAMED")
	}
	return flags
}
