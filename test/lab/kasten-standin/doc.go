// Package kastenstandin does what Kasten does around the hooks of Blueprints:
// backups and restores of namespaces as Policies, RestoreActions,
// BlueprintBindings and TransformSets describe them. A restore point is a folder
// of manifests and a list of VolumeSnapshots. It is for tests where no Kasten can
// run; see README.md for what it obeys and what differs.
//
// Sources: docs.kasten.io (API types, Kanister reference: action names, phase
// lifecycle; restore, resource filtering), versions 8.5.8 to 9.0.10, and a public
// README about a Blueprint for cass-operator, tried on Kasten 9.0.6.
package kastenstandin
