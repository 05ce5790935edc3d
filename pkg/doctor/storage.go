package doctor

import (
	"fmt"
	"slices"
	"strings"
)

func (e *exam) claims() {
	for _, c := range e.Claims.Items {
		switch {
		case c.Phase == "Bound":
		case c.Phase == "Pending" && slices.ContainsFunc(e.chosen, func(d Datacenter) bool { return d.begins() }):
			e.warn(about("PersistentVolumeClaim", e.Namespace, c.Name), "it is not bound yet",
				"nothing, if its storage class binds a volume to the first pod or cleaner Job that uses it; otherwise check its events")
		default:
			e.fail(about("PersistentVolumeClaim", e.Namespace, c.Name), "it is "+c.Phase+", not bound", "check its events; only bound volumes are backed up")
		}
	}
}

func (e *exam) volumes() {
	for _, n := range e.Nodes.Items {
		if n.VolumeProblem != "" {
			what, remedy := split(n.VolumeProblem)
			e.fail(about("Pod", e.Namespace, n.Name), what, remedy)
		}
	}
}

// snapshotAnnotation is on the VolumeSnapshotClass that Kasten is to use for a
// driver: on one of it ("CSI Snapshot Configuration" of docs.kasten.io).
// classAnnotation on a StorageClass names one instead.
const (
	snapshotAnnotation = "k10.kasten.io/is-snapshot-class"
	classAnnotation    = "k10.kasten.io/volume-snapshot-class"
)

// Annotations of Kasten by which a VolumeSnapshotClass is chosen; for who reads
// the objects.
func Annotations() (snapshotClass, storageClass string) { return snapshotAnnotation, classAnnotation }

// snapshots looks at each storage class once.
func (e *exam) snapshots() {
	var seen []StorageClass
	for _, c := range e.Claims.Items {
		at := about("PersistentVolumeClaim", e.Namespace, c.Name)
		i := slices.IndexFunc(e.StorageClasses.Items, func(s StorageClass) bool { return s.Name == c.Class })
		class := StorageClass{Name: c.Class, Provisioner: c.Driver}
		switch {
		case c.Class != "" && i >= 0:
			class = e.StorageClasses.Items[i]
			at = "StorageClass " + class.Name
		case c.Driver == "" && c.DriverUnread != "":
			e.unknown(at, "the driver of its volume: "+c.DriverUnread, askForPermission)
			continue
		case c.Driver == "" && c.Phase == "Pending" && c.Class == "":
			continue // said of the claims
		case c.Driver == "":
			e.unknown(at, fmt.Sprintf("unknown volume driver: the volume is not CSI, and storage class %q does not exist", c.Class),
				"check that the volume can be snapshotted")
			continue
		}
		if !slices.Contains(seen, class) {
			seen = append(seen, class)
			e.snapshotClass(at, class)
		}
	}
}

// snapshotClass wants one VolumeSnapshotClass for the driver, chosen for Kasten.
func (e *exam) snapshotClass(at string, class StorageClass) {
	if e.SnapshotClasses.Unread != "" {
		e.unknown(at, e.SnapshotClasses.Unread, askForPermission)
		return
	}
	var names, chosen []string
	for _, s := range e.SnapshotClasses.Items {
		if s.Driver != class.Provisioner {
			continue
		}
		names = append(names, s.Name)
		if s.ForKasten {
			chosen = append(chosen, s.Name)
		}
	}
	annotate := "kubectl annotate volumesnapshotclass NAME " + snapshotAnnotation + "=true"
	switch {
	case len(names) == 0 && strings.HasPrefix(class.Provisioner, "kubernetes.io/"):
		e.warn(at, "its driver "+class.Provisioner+" is not a CSI driver: it has no VolumeSnapshotClass", "check whether Kasten integrates this storage directly")
	case len(names) == 0:
		e.fail(at, "its driver "+class.Provisioner+" has no VolumeSnapshotClass: its volumes cannot be snapshotted", "create one for the driver, then: "+annotate)
	case e.Policies.Absent || slices.Contains(names, class.SnapshotClass):
	case class.SnapshotClass != "":
		e.fail(at, fmt.Sprintf("its annotation %s names %q, which is not a VolumeSnapshotClass of its driver", classAnnotation, class.SnapshotClass),
			"use one of "+strings.Join(names, ", "))
	case len(chosen) == 0:
		e.fail(at, "no VolumeSnapshotClass of its driver is annotated for Kasten: "+strings.Join(names, ", "), annotate)
	case len(chosen) > 1:
		e.fail(at, "several VolumeSnapshotClasses of its driver are annotated for Kasten: "+strings.Join(chosen, ", "), "keep the annotation "+snapshotAnnotation+" on one of them only")
	}
}

// disk is never looked at: this needs a program in the pods.
func (e *exam) disk() {
	e.unknown(e.inNamespace(), "free space on the volumes was not checked; snapshots keep files that compactions would remove",
		"run casshook status to see it; before-backup refuses full volumes")
}
