package kastenstandin

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/casshook/casshook/test/lab/kasten-standin/kanister"
)

// Retire removes a restore point as Kasten does at the end of its retention: the
// action delete of every bound Blueprint, about Kasten's own namespace because the
// application may be gone, then the snapshots and the folder.
func (k *Kasten) Retire(ctx context.Context, name string) (*Result, error) {
	point, err := ReadPoint(k.Dir, name)
	if err != nil {
		return nil, err
	}
	objects, err := readObjects(k.Dir, point)
	if err != nil {
		return nil, err
	}
	r, err := k.newRun(k.Namespace)
	if err != nil {
		return nil, err
	}
	for _, o := range objects {
		bp, boundErr := k.Catalog.boundBlueprint(o)
		if boundErr != nil || bp == nil || bp.Actions[ActionDelete] == nil {
			err = errors.Join(err, boundErr)
			continue
		}
		err = errors.Join(err, r.step(ActionDelete, o.ID.String(), func() error {
			_, err := r.action(ctx, bp, kanister.Action{Name: ActionDelete, Artifacts: inputs(bp.Actions[ActionDelete], point.artifactsOf(o.ID)),
				Object: kanister.ObjectReference{Kind: "Namespace", Name: k.Namespace, Namespace: k.Namespace}})
			return err
		}))
	}
	if err == nil {
		err = r.dropSnapshots(ctx, point.Volumes)
	}
	if err == nil {
		err = os.RemoveAll(filepath.Join(k.Dir, point.Name))
	}
	return r.result(ctx, "", err), err
}
