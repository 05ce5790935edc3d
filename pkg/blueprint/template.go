package blueprint

import "fmt"

// Templates of names. Kanister renders every string of the args with
// text/template, sprig 2.22.0 and missingkey=error.
const (
	// SubjectNamespace is for hooks of a policy or an action, about a Namespace.
	// Under a custom resource it is an error: .Namespace is nil there.
	SubjectNamespace = "{{ .Namespace.Name }}"
	// ObjectNamespace and ObjectName are for actions about a bound resource.
	ObjectNamespace = "{{ .Object.metadata.namespace }}"
	ObjectName      = "{{ .Object.metadata.name }}"
)

// OutputOf is what an earlier phase printed for a key, or nothing: a log line that
// was lost on its way must not fail a backup that succeeded.
func OutputOf(phase, key string) string {
	return fmt.Sprintf(`{{ with index .Phases.%s.Output %q }}{{ . }}{{ end }}`, phase, key)
}

// ArtifactOf is a value of an artifact, or nothing where the restore point has no
// such artifact: it may be older than the Blueprint. hasKey would not do, since it
// refuses the type of .ArtifactsIn.
func ArtifactOf(artifact, key string) string {
	return fmt.Sprintf(`{{ with index .ArtifactsIn %q }}{{ index .KeyValue %q }}{{ end }}`, artifact, key)
}
