package agent

// clearRestores removes what restores of a backup staged and caused, and their records.
func (n *node) clearRestores(id string) error {
	v, err := n.Inspect()
	if err != nil {
		return err
	}
	for _, r := range v.Restores {
		if r.BackupID != id {
			continue
		}
		if err := n.removeRestore(r); err != nil {
			return err
		}
	}
	return nil
}
