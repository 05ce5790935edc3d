package cassandra

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFetchOfAVersionThatIsNotPinned(t *testing.T) {
	t.Parallel()
	_, err := Fetch(t.Context(), "3.11.19")
	require.ErrorContains(t, err, "3.11.19: not pinned")
}

// The error of a machine without the tools must say what to install.
func TestMissingToolsAreNamed(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("JAVA_HOME", "")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	_, err := Fetch(t.Context(), Versions()[0])
	require.ErrorContains(t, err, "install Apache Maven")
	_, err = JavaHome(t.Context())
	require.ErrorContains(t, err, "install a JDK 17")
	t.Setenv("JAVA_HOME", "/nowhere")
	_, err = JavaHome(t.Context())
	require.ErrorContains(t, err, "install a JDK 17")
}

func TestParseJavaVersion(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		`openjdk version "17.0.15" 2025-04-15`: 17,
		`java version "1.8.0_401"`:             8,
		`openjdk version "25" 2025-09-16`:      25,
	} {
		got, err := parseJavaVersion(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := parseJavaVersion("command not found")
	require.Error(t, err)
}

func TestLockWaitsForItsHolder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lock(t.Context(), path)
	require.NoError(t, err)

	soon, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = lock(soon, path)
	require.ErrorIs(t, err, context.DeadlineExceeded)

	time.AfterFunc(50*time.Millisecond, unlock)
	second, err := lock(t.Context(), path)
	require.NoError(t, err)
	second()
}

func TestTail(t *testing.T) {
	t.Parallel()
	require.Equal(t, "b\nc", tail("a\nb\nc\n", 2))
	require.Equal(t, "a", tail("a", 2))
	require.Empty(t, tail("", 2))
}
