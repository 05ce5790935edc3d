{{ .Header }}#
# usage: {{ .File }} {{ .Usage }} [FLAGS OF casshook {{ .Command }}]
# $CASSHOOK is the program, where it is not in the PATH. Its exit codes: casshook {{ .Command }} --help
set -eu
{{- with .Image }}
: "${CASSHOOK_IMAGE:={{ . }}}"
{{- end }}
if [ $# -lt {{ if .Claim }}2{{ else }}1{{ end }} ]; then
  echo "usage: $0 {{ .Usage }} [flags of casshook {{ .Command }}]" >&2
  exit 2
fi
{{- if .Claim }}
claim=$1
shift
{{- end }}
namespace=$1
shift
{{- if .Mode }}
if [ $# -eq 0 ]; then
  set -- --yes --stop
fi
{{- end }}
exec "${CASSHOOK:-casshook}" {{ .Command }} --namespace="$namespace"
{{- if and .Datacenter (not .Claim) }} --datacenter={{ .Datacenter }}{{ end }}
{{- if .Image }} --image="$CASSHOOK_IMAGE"{{ range .Secrets }} --image-pull-secret={{ . }}{{ end }}{{ end }} "$@"
{{- if .Claim }} -- "$claim"{{ end }}
