package kubernetes

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	client "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// A cluster is an API server with a pod on each node; it counts the logs it serves.
type cluster struct {
	nodes core.NodeList
	pods  core.PodList
	logs  map[string]string // by pod; of others there is none
	asked map[string]int
}

func (c *cluster) add(node string, status *core.PodStatus, log string) {
	c.nodes.Items = append(c.nodes.Items, core.Node{ObjectMeta: meta.ObjectMeta{Name: node}})
	if status == nil {
		return
	}
	pod := core.Pod{ObjectMeta: meta.ObjectMeta{Name: "pod-" + node, Namespace: "zombench"}, Spec: core.PodSpec{NodeName: node}, Status: *status}
	c.pods.Items = append(c.pods.Items, pod)
	if log != "none" {
		c.logs[pod.Name] = log
	}
}

func (c *cluster) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	pod, isLog := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/api/v1/namespaces/zombench/pods/"), "/log")
	log, ok := c.logs[pod]
	switch {
	case r.URL.Path == "/api/v1/nodes":
		_ = json.NewEncoder(w).Encode(c.nodes)
	case r.URL.Path == "/api/v1/namespaces/zombench/pods" && r.FormValue("labelSelector") == "app=zombench":
		_ = json.NewEncoder(w).Encode(c.pods)
	case isLog && ok && r.FormValue("container") == "measure":
		if cut, ok := strings.CutSuffix(log, "..."); ok {
			w.Header().Set("Content-Length", "1000")
			log = cut
		}
		fmt.Fprint(w, log)
	default:
		http.Error(w, "there is no such thing", http.StatusNotFound)
	}
	if isLog {
		c.asked[pod]++
	}
}

func measuring(state core.ContainerState) *core.PodStatus {
	return &core.PodStatus{Phase: core.PodPending, InitContainerStatuses: []core.ContainerStatus{{Name: "measure", State: state}}}
}

func TestCollect(t *testing.T) {
	done := measuring(core.ContainerState{Terminated: &core.ContainerStateTerminated{}})
	failed := measuring(core.ContainerState{Waiting: &core.ContainerStateWaiting{Reason: "CrashLoopBackOff"}})
	failed.InitContainerStatuses[0].LastTerminationState.Terminated = &core.ContainerStateTerminated{ExitCode: 1, Message: "no room"}
	c := &cluster{logs: make(map[string]string), asked: make(map[string]int)}
	c.nodes.TypeMeta, c.pods.TypeMeta = meta.TypeMeta{Kind: "NodeList", APIVersion: "v1"}, meta.TypeMeta{Kind: "PodList", APIVersion: "v1"}
	c.add("a", done, "node: a\n")
	c.add("b", done, "node: b\n")
	c.add("cut", done, "node: c...")
	c.add("empty", done, "")
	evicted := measuring(core.ContainerState{Terminated: &core.ContainerStateTerminated{ExitCode: 137}})
	evicted.Phase, evicted.Reason, evicted.Message = core.PodFailed, "Evicted", "The node was low on resource: memory."
	c.add("evicted", evicted, "none")
	c.add("evicted-early", &core.PodStatus{Phase: core.PodFailed, Reason: "Evicted"}, "none")
	c.add("failed", failed, "none")
	c.add("image", measuring(core.ContainerState{Waiting: &core.ContainerStateWaiting{Reason: "ErrImagePull", Message: "not found"}}), "none")
	c.add("nolog", done, "none")
	c.add("nopod", nil, "")
	c.add("pending", &core.PodStatus{Phase: core.PodPending}, "none")
	c.add("running", measuring(core.ContainerState{Running: &core.ContainerStateRunning{}}), "none")
	c.add("unreachable", measuring(core.ContainerState{Running: &core.ContainerStateRunning{}}), "none")
	for i, ready := range map[int]core.NodeCondition{
		0:                      {Status: core.ConditionUnknown}, // of a node that was measured before it died
		len(c.nodes.Items) - 2: {Status: core.ConditionTrue, Reason: "KubeletReady"},
		len(c.nodes.Items) - 1: {Status: core.ConditionUnknown, Reason: "NodeStatusUnknown", Message: "Kubelet stopped posting node status."},
	} {
		ready.Type = core.NodeReady
		c.nodes.Items[i].Status.Conditions = []core.NodeCondition{{Type: core.NodeMemoryPressure, Status: core.ConditionFalse}, ready}
	}
	server := httptest.NewServer(c)
	defer server.Close()
	api, err := client.NewForConfig(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "b.txt"), []byte("from before\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	collector := Collector{Client: api, Namespace: "zombench", Selector: "app=zombench", Container: "measure", Dir: dir, AtOnce: 1}
	got, err := collector.Collect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := Tally{Collected: 1, Before: 1, Missing: []Missing{
		{"cut", "the log was cut short: unexpected EOF"},
		{"empty", "the log is empty"},
		{"evicted", "Evicted: The node was low on resource: memory."},
		{"evicted-early", "Evicted"},
		{"failed", "measuring failed with status 1: no room, CrashLoopBackOff"},
		{"image", "ErrImagePull: not found"},
		{"nolog", "no log: the server could not find the requested resource (get pods pod-nolog)"},
		{"nopod", "no pod"},
		{"pending", "the pod is Pending"},
		{"running", "it is still being measured"},
		{"unreachable", "it is still being measured; the node is not ready: NodeStatusUnknown: Kubelet stopped posting node status."},
	}}
	for i, m := range got.Missing {
		if m.Node == "nolog" && strings.HasPrefix(m.Why, "no log: ") {
			got.Missing[i].Why = want.Missing[6].Why // the server's words
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 2 || c.asked["pod-b"] != 0 {
		t.Errorf("%q, %v; asked %v", files, err, c.asked)
	}
	if hidden, _ := filepath.Glob(filepath.Join(dir, ".*")); len(hidden) != 0 {
		t.Errorf("%q is left", hidden)
	}
	if text, _ := os.ReadFile(filepath.Join(dir, "a.txt")); string(text) != "node: a\n" {
		t.Errorf("%q", text)
	}
}
