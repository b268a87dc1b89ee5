package dress

import "zombench/results"

// What a zombie holds, by instrument. With extra- before it, it is what a dressed
// one holds beyond a naked one.
const (
	unitKmem    = "kmem-B/zombie"
	unitAbove   = "above-B/zombie"
	unitObjects = "objects-B/zombie"
	unitSlab    = "sunreclaim-B/zombie"
	unitPercpu  = "percpu-B/zombie"
	unitVmalloc = "vmalloc-B/zombie"
	unitTotal   = "total-B/zombie"
	unitDying   = "dying-cgroups/zombie"
)

func units() (all []results.Unit) {
	for _, u := range []struct{ name, meaning string }{
		{unitKmem, "charged to the army's cgroup"},
		{unitAbove, "charged to the cgroup above and not to the army's"},
		{unitObjects, "objects in unreclaimable slab caches, in whole objects a zombie (/proc/slabinfo)"},
		{unitSlab, "pages of unreclaimable slab (SUnreclaim)"},
		{unitPercpu, "pages of memory that is kept for each possible CPU (Percpu); the kernel keeps those that earlier armies had, and what fits into them does not show"},
		{unitVmalloc, "pages of vmalloc areas (VmallocUsed)"},
		{unitTotal, "unreclaimable slab, Percpu and VmallocUsed together"},
		{unitDying, "cgroups that were removed and are still there"},
	} {
		all = append(all,
			results.Unit{Name: "extra-" + u.name, Meta: "better=lower " + results.Over + "=cpus", Meaning: "what a dressed zombie holds beyond a naked one: " + u.meaning},
			results.Unit{Name: u.name, Meta: "better=lower", Meaning: "what a zombie holds: " + u.meaning})
	}
	return append(all,
		results.Unit{Name: unitAtEDQUOT, Meta: "assume=exact", Meaning: "zombies that were there when no further one could be dressed: EDQUOT"},
		results.Unit{Name: unitRefused, Meta: "assume=exact", Meaning: "processes under the same limit that are refused as well"},
		results.Unit{Name: unitRecovers, Meta: "assume=exact", Meaning: "children that can be dressed again after the reap"})
}
