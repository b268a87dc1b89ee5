package job_test

import (
	"fmt"

	"zombench/bench/kernels/job"
)

// The host makes a job the arguments of the guest's program, which parses them.
func Example() {
	guest, err := job.Job{Fields: map[string]string{"count": "500,1000"}, Samples: 6, Seed: 7}.Config()
	if err != nil {
		fmt.Println(err)
		return
	}
	j, err := job.Parse(guest.Args[1:])
	fmt.Println(guest.Args[0], j.Fields, j.Samples, j.Seed, err)
	// Output: /bin/zombench map[count:500,1000] 6 7 <nil>
}
