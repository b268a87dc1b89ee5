package results

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A Layout is what a C struct is made of, in a file
//
//	# layout pid: members=count:4,level:4,lock:4,:4,ino:8
//
// in the order of memory, each with its bytes; a hole has no name. Together they are
// the struct.
type Layout struct {
	Struct  string
	Members []Member
}

// A Member is what a struct has in one place.
type Member struct {
	Name string // "" is a hole; of a union without a name, its members' names with | between
	Bits uint64 // 1 and more for a bit field; in a file as bytes, such as 0.125
}

func (l *Layout) form() (*string, []field) {
	return &l.Struct, []field{{"members", func() string {
		var all []string
		for _, m := range l.Members {
			all = append(all, m.Name+":"+strconv.FormatFloat(float64(m.Bits)/8, 'g', -1, 64))
		}
		return strings.Join(all, ",")
	}, l.readMembers}}
}

func (l *Layout) readMembers(text string) error {
	for part := range strings.SplitSeq(text, ",") {
		name, size, _ := strings.Cut(part, ":")
		bytes, err := strconv.ParseFloat(size, 64)
		bits := 8 * bytes
		if err != nil || !(bits >= 1 && bits < 1<<32) || bits != math.Trunc(bits) {
			return fmt.Errorf("%q is no NAME:BYTES", part)
		}
		l.Members = append(l.Members, Member{name, uint64(bits)})
	}
	return nil
}

func (l *Layout) check() error {
	if l.Struct == "" || len(l.Members) == 0 {
		return fmt.Errorf("layout %q of %d members: want a name, and members", l.Struct, len(l.Members))
	}
	for _, m := range l.Members {
		if m.Bits == 0 || strings.ContainsAny(m.Name, ":,=% \t\n") {
			return fmt.Errorf("layout %s: member %q of %d bits: want a name, and bits", l.Struct, m.Name, m.Bits)
		}
	}
	return nil
}

// StructsOfZombies are the C structs that a zombie consists of.
func StructsOfZombies() []string {
	return []string{"task_struct", "signal_struct", "sighand_struct", "cred", "pid"}
}

// StructsNearby are the C structs of what a zombie may keep beside its own.
func StructsNearby() []string {
	return []string{"dentry", "file", "inode", "pidfs_attr", "proc_inode", "taskstats", "xa_node"}
}
