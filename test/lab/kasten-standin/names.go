package kastenstandin

// API groups and kinds, as Kasten spells them.
const (
	ConfigVersion        = "config.kio.kasten.io/v1alpha1"
	ActionsVersion       = "actions.kio.kasten.io/v1alpha1"
	AppsVersion          = "apps.kio.kasten.io/v1alpha1"
	PolicyKind           = "Policy"
	BindingKind          = "BlueprintBinding"
	TransformSetKind     = "TransformSet"
	RestoreActionKind    = "RestoreAction"
	RestorePointKind     = "RestorePoint"
	AppNamespaceSelector = "k10.kasten.io/appNamespace"
	// BlueprintAnnotation binds the resource that has it, unless a BlueprintBinding
	// matches.
	BlueprintAnnotation = "kanister.kasten.io/blueprint"
	// defaultsGroup and defaultsResource are the filter entry that stands for what
	// is captured without include filters.
	defaultsGroup, defaultsResource = "actions.kio.kasten.io", "defaults"
	// restrictedLabel and restricted are on a namespace where pods must not be root.
	restrictedLabel, restricted = "pod-security.kubernetes.io/enforce", "restricted"
)

// The reserved actions of a bound Blueprint; any other name is ignored in silence.
const (
	ActionBackupPrehook   = "backupPrehook"
	ActionBackup          = "backup"
	ActionBackupPosthook  = "backupPosthook"
	ActionRestorePrehook  = "restorePrehook"
	ActionRestore         = "restore"
	ActionRestorePosthook = "restorePosthook"
	ActionDelete          = "delete"
)

// What the stand-in writes into the cluster and on disk; tests read it.
const (
	// SnapshotPrefix begins the name of every VolumeSnapshot.
	SnapshotPrefix = "k10-csi-snap-"
	// SnapshotLabel is on every VolumeSnapshot and VolumeSnapshotContent; its value
	// is the namespace of the application.
	SnapshotLabel = "kasten-standin.casshook.io/app"
	// indexFile and manifestDir are in the folder of a restore point.
	indexFile, manifestDir = "index.json", "manifests"
)
