{{ .Header }}#
# usage: {{ .File }} NAMESPACE [FLAGS OF casshook {{ .Command }}]
# $CASSHOOK is the program, where it is not in the PATH. Its exit codes: casshook {{ .Command }} --help
set -eu
if [ $# -lt 1 ]; then
  echo "usage: $0 NAMESPACE [flags of casshook {{ .Command }}]" >&2
  exit 2
fi
namespace=$1
shift
exec "${CASSHOOK:-casshook}" {{ .Command }} --namespace="$namespace"{{ if .Datacenter }} --datacenter={{ .Datacenter }}{{ end }} "$@"
