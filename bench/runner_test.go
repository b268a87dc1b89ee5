package bench

import "testing"

func TestIsTime(t *testing.T) {
	for unit, want := range map[string]bool{
		"ns/zombie": true, "ns": true, "ns/op": true, "wait-ns/zombie": true,
		"kmem-B/1000zombies": false, "pids/zombie": false, "columns": false, "B/ns": false, "task_struct/zombie": false,
	} {
		if got := isTime(unit); got != want {
			t.Errorf("isTime(%q) = %v", unit, got)
		}
	}
}
