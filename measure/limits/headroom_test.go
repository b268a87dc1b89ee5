package limits

import (
	"errors"
	"math"
	"slices"
	"testing"
)

func TestHeadroom(t *testing.T) {
	const none = math.MaxUint64
	limits := []Limit{
		{Name: "RLIMIT_NPROC", Value: 5, Unit: Processes}, // does not bind
		{Name: "kernel.threads-max", Value: 100, Used: 40, Unit: Processes, Binds: true},
		{Name: "kernel.pid_max", Value: 90, Used: 30, Unit: Processes, Binds: true},
		{Name: "pids.max", Value: 20, Used: 12, Unit: Processes, Binds: true},
		{Name: "pids.max", Unlimited: true, Unit: Processes, Binds: true},
		{Name: "memory.max", Value: 1000, Used: 1, Unit: Bytes, Binds: true},
		{Name: "MemAvailable", Value: 1000, Used: 1, Unit: Bytes, Binds: true},
		{Name: "RLIMIT_NOFILE", Value: 1, Unit: Descriptors, Binds: true},
	}
	type bound struct {
		name string
		fits uint64
	}
	for _, tt := range []struct {
		name  string
		query Query
		want  []bound
	}{
		{"tasks only", Query{}, []bound{
			{"pids.max", 8}, {"kernel.threads-max", 60}, {"kernel.pid_max", 60}, {"RLIMIT_NPROC", none}, {"pids.max", none}}},
		{"extra tasks take room", Query{ExtraTasks: 10}, []bound{
			{"pids.max", 0}, {"kernel.threads-max", 50}, {"kernel.pid_max", 50}, {"RLIMIT_NPROC", none}, {"pids.max", none}}},
		{"memory of pages", Query{BytesPerZombie: 100}, []bound{
			{"pids.max", 8}, {"memory.max", 9}, {"MemAvailable", 9}, {"kernel.threads-max", 60}, {"kernel.pid_max", 60}, {"RLIMIT_NPROC", none}, {"pids.max", none}}},
		{"charges are less", Query{BytesPerZombie: 200, ChargePerZombie: 100}, []bound{
			{"MemAvailable", 4}, {"pids.max", 8}, {"memory.max", 9}, {"kernel.threads-max", 60}, {"kernel.pid_max", 60}, {"RLIMIT_NPROC", none}, {"pids.max", none}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []bound
			for _, b := range tt.query.Headroom(limits) {
				got = append(got, bound{b.Name, b.Fits})
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// Check counts the same bytes as Headroom: what fits by one fits by the other,
// and one more does not.
func TestHeadroomAgreesWithCheck(t *testing.T) {
	limits := []Limit{
		{Name: "memory.max", Value: 1000, Used: 1, Unit: Bytes, Binds: true},
		{Name: "MemAvailable", Value: 1500, Used: 1, Unit: Bytes, Binds: true},
		{Name: "pids.max", Value: 70, Used: 5, Unit: Processes, Binds: true},
	}
	for _, l := range limits {
		q := Query{BytesPerZombie: 30, ChargePerZombie: 20, ExtraTasks: 3}
		b := q.Headroom([]Limit{l})[0]
		q.Count = b.Fits
		if err := q.Check([]Limit{l}); err != nil {
			t.Errorf("%d should fit: %v", b.Fits, err)
		}
		q.Count++
		if err, ok := errors.AsType[*Error](q.Check([]Limit{l})); !ok || err.Fits != b.Fits {
			t.Errorf("%d should not fit, and %d would: %+v", q.Count, b.Fits, err)
		}
	}
}
