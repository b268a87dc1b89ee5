package kubernetes_test

import (
	"context"
	"fmt"
	"os"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"zombench/bench/fleet/kubernetes"
)

// Nodes that have no results are named, with the reason.
func ExampleCollector() {
	dir, err := os.MkdirTemp("", "zombench-collect-")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	c := kubernetes.Collector{
		Client:    fake.NewClientset(&core.Node{ObjectMeta: meta.ObjectMeta{Name: "n1"}}),
		Namespace: "zombench", Selector: "app=zombench", Container: "measure", Dir: dir, AtOnce: 16,
	}
	t, err := c.Collect(context.Background())
	fmt.Println(t.Collected, t.Missing, err)
	// Output: 0 [{n1 no pod}] <nil>
}
