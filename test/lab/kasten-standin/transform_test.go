package kastenstandin

import (
	"testing"

	"github.com/stretchr/testify/require"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

func TestTransform(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ops  []Operation
		want map[string]any
		err  string
	}{
		"replace":             {ops: []Operation{{Op: "replace", Path: "/stopped", Value: true}}, want: map[string]any{"stopped": true}},
		"replace nothing":     {ops: []Operation{{Op: "replace", Path: "/nope", Value: true}}, err: "replace /nope"},
		"false":               {ops: []Operation{{Op: "add", Path: "/new", Value: false}}, want: map[string]any{"new": false}},
		"number":              {ops: []Operation{{Op: "add", Path: "/new", Value: 3}}, want: map[string]any{"new": int64(3)}},
		"remove":              {ops: []Operation{{Op: "remove", Path: "/stopped"}}, want: map[string]any{"stopped": nil}},
		"copy":                {ops: []Operation{{Op: "copy", From: "/image", Path: "/new"}}, want: map[string]any{"new": "reg/a:1"}},
		"move":                {ops: []Operation{{Op: "move", From: "/image", Path: "/new"}}, want: map[string]any{"new": "reg/a:1", "image": nil}},
		"append":              {ops: []Operation{{Op: "add", Path: "/racks/-", Value: map[string]any{"name": "r3"}}}, want: map[string]any{"racks": []any{map[string]any{"name": "r1"}, map[string]any{"name": "r2"}, map[string]any{"name": "r3"}}}},
		"slash in a key":      {ops: []Operation{{Op: "replace", Path: "/a~1b", Value: "y"}}, want: map[string]any{"a/b": "y"}},
		"copy of nothing":     {ops: []Operation{{Op: "copy", From: "/nope", Path: "/new"}}, err: "nothing is at /nope"},
		"test holds":          {ops: []Operation{{Op: "test", Path: "/stopped", Value: false}, {Op: "replace", Path: "/stopped", Value: true}}, want: map[string]any{"stopped": true}},
		"test fails":          {ops: []Operation{{Op: "replace", Path: "/image", Value: "x"}, {Op: "test", Path: "/stopped", Value: true}, {Op: "remove", Path: "/nope"}}, want: map[string]any{"image": "reg/a:1"}},
		"test of nothing":     {ops: []Operation{{Op: "test", Path: "/nope", Value: true}, {Op: "remove", Path: "/nope"}}, want: map[string]any{"stopped": false}},
		"one star":            {ops: []Operation{{Op: "replace", Path: "/racks/*/name", Value: "x"}}, want: map[string]any{"racks": []any{map[string]any{"name": "x"}, map[string]any{"name": "x"}}}},
		"two stars":           {ops: []Operation{{Op: "replace", Path: "/**/deep", Value: "x"}}, want: map[string]any{"at": map[string]any{"some": map[string]any{"deep": "x"}}}},
		"star of a new place": {ops: []Operation{{Op: "add", Path: "/racks/*/new", Value: "x"}}, want: map[string]any{"racks": []any{map[string]any{"name": "r1", "new": "x"}, map[string]any{"name": "r2", "new": "x"}}}},
		"star of nothing":     {ops: []Operation{{Op: "replace", Path: "/nope/*", Value: "x"}}, err: "no place matches"},
		"regex":               {ops: []Operation{{Op: "replace", Path: "/image", Regex: "^reg/(.*):(.*)$", Value: "new/$1:$2"}}, want: map[string]any{"image": "new/a:1"}},
		"regex misses":        {ops: []Operation{{Op: "replace", Path: "/image", Regex: "^nope", Value: "x"}}, err: "does not match"},
		"regex of a test":     {ops: []Operation{{Op: "test", Path: "/image", Regex: "^nope"}, {Op: "remove", Path: "/nope"}}, want: map[string]any{"image": "reg/a:1"}},
		"regex of an other":   {ops: []Operation{{Op: "replace", Path: "/stopped", Regex: "x", Value: "x"}}, err: "needs a string"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := &unstructured.Unstructured{Object: map[string]any{"kind": "K", "apiVersion": "v1", "stopped": false, "image": "reg/a:1", "a/b": "x",
				"racks": []any{map[string]any{"name": "r1"}, map[string]any{"name": "r2"}}, "at": map[string]any{"some": map[string]any{"deep": "d"}}}}
			transform := &Transform{Name: "t", Subject: &TransformSubject{Resource: "things"}, JSON: c.ops}
			before := u.DeepCopy()
			got, err := transform.apply(newObject(ID{Version: "v1", Resource: "things", Name: "a"}.gvr(), u))
			require.Equal(t, before, u, "the manifest itself stays")
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			for key, value := range c.want {
				require.Equal(t, value, got.Object[key], key)
			}
		})
	}
}

func TestTransformOfOthersAndOfSizes(t *testing.T) {
	t.Parallel()
	claim := objectOf(ID{Version: "v1", Resource: "persistentvolumeclaims", Name: "c"}, nil, nil)
	claim.Object["apiVersion"], claim.Object["kind"] = "v1", "PersistentVolumeClaim"
	claim.Object["spec"] = map[string]any{"storageClassName": "a", "resources": map[string]any{"requests": map[string]any{"storage": "1Gi"}}}
	class := &Transform{Name: "t", Subject: &TransformSubject{Resource: "persistentvolumeclaims"}, JSON: []Operation{{Op: "replace", Path: "/spec/storageClassName", Value: "b"}}}
	got, err := class.apply(claim)
	require.NoError(t, err)
	require.Equal(t, "b", got.Object["spec"].(map[string]any)["storageClassName"])
	size := &Transform{Name: "t", Subject: class.Subject, JSON: []Operation{{Op: "replace", Path: "/spec/resources/requests/storage", Value: "2Gi"}}}
	_, err = size.apply(claim)
	require.ErrorContains(t, err, "does not change the size")
	other := &Transform{Name: "t", Subject: &TransformSubject{Group: "apps"}, JSON: size.JSON}
	got, err = other.apply(claim)
	require.NoError(t, err)
	require.Equal(t, claim, got)
}
