// Package kubernetes collects what zombench has measured on the nodes of a Kubernetes
// cluster: the logs of the pods that zombench fleet kubernetes describes, a file for
// each node, and which nodes are missing and why.
//
// It is a module of its own, since client-go is larger than all of zombench. For
// other engines nothing need be collected: they write a file a node themselves.
package kubernetes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/pager"
)

// A Collector collects results.
type Collector struct {
	Client    kubernetes.Interface
	Namespace string
	Selector  string // of the pods, as for kubectl --selector
	Container string // that measures, an init container
	Dir       string // for the files, NODE.txt; a node that has one is done
	AtOnce    int    // logs that are fetched at the same time
}

// A Tally is what came of it.
type Tally struct {
	Collected, Before int // now, and in the directory already
	Missing           []Missing
}

// Missing is a node without results.
type Missing struct{ Node, Why string }

// Collect collects what is there. A node that has not been measured is no error.
func (c *Collector) Collect(ctx context.Context) (t Tally, err error) {
	if err := os.MkdirAll(c.Dir, 0o755); err != nil {
		return t, err
	}
	pods := make(map[string]*core.Pod)
	err = each(ctx, meta.ListOptions{LabelSelector: c.Selector}, func(ctx context.Context, o meta.ListOptions) (runtime.Object, error) {
		return c.Client.CoreV1().Pods(c.Namespace).List(ctx, o)
	}, func(p *core.Pod) {
		// Of a node that has several, such as an evicted one and its successor, the best.
		if old := pods[p.Spec.NodeName]; old == nil || c.lacks(old) != "" {
			pods[p.Spec.NodeName] = p
		}
	})
	if err != nil {
		return t, fmt.Errorf("listing the pods: %w", err)
	}
	var nodes []string
	down := make(map[string]string) // nodes that do not answer, and why
	err = each(ctx, meta.ListOptions{}, func(ctx context.Context, o meta.ListOptions) (runtime.Object, error) {
		return c.Client.CoreV1().Nodes().List(ctx, o)
	}, func(n *core.Node) {
		nodes = append(nodes, n.Name)
		for _, cond := range n.Status.Conditions {
			if cond.Type == core.NodeReady && cond.Status != core.ConditionTrue {
				down[n.Name] = "; the node is not ready: " + text(cond.Reason, cond.Message)
			}
		}
	})
	if err != nil {
		return t, fmt.Errorf("listing the nodes: %w", err)
	}
	for name := range pods { // of nodes that are gone
		if !slices.Contains(nodes, name) && name != "" {
			nodes = append(nodes, name)
		}
	}

	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(c.AtOnce)
	for _, node := range nodes {
		group.Go(func() error {
			path := filepath.Join(c.Dir, filepath.Base(node)+".txt")
			_, statErr := os.Stat(path)
			var why string
			if statErr != nil {
				var err error
				if why, err = c.fetch(ctx, pods[node], path); err != nil {
					return err
				}
			}
			mu.Lock()
			defer mu.Unlock()
			switch {
			case statErr == nil:
				t.Before++
			case why != "":
				t.Missing = append(t.Missing, Missing{node, why + down[node]})
			default:
				t.Collected++
			}
			return nil
		})
	}
	err = group.Wait()
	slices.SortFunc(t.Missing, func(a, b Missing) int { return cmp.Compare(a.Node, b.Node) })
	return t, err
}

// each lists page by page.
func each[T any](ctx context.Context, o meta.ListOptions, list pager.ListPageFunc, do func(*T)) error {
	return pager.New(list).EachListItem(ctx, o, func(item runtime.Object) error {
		do(any(item).(*T))
		return nil
	})
}

// fetch writes the log of a pod that has measured into a file, and returns why there
// is none. An error is one of this machine, or the end of ctx.
func (c *Collector) fetch(ctx context.Context, pod *core.Pod, path string) (why string, err error) {
	if why := c.lacks(pod); why != "" {
		return why, nil
	}
	log, err := c.Client.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, &core.PodLogOptions{Container: c.Container}).Stream(ctx)
	if err != nil {
		return "no log: " + err.Error(), ctx.Err()
	}
	defer log.Close()
	f, err := os.CreateTemp(c.Dir, ".zombench-collect-")
	if err != nil {
		return "", err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	n, err := io.Copy(f, log)
	if pathErr := (*os.PathError)(nil); errors.As(err, &pathErr) {
		return "", err
	}
	switch {
	case err != nil:
		return "the log was cut short: " + err.Error(), ctx.Err()
	case n == 0:
		return "the log is empty", nil
	}
	if err := errors.Join(f.Chmod(0o644), f.Close()); err != nil {
		return "", err
	}
	return "", os.Rename(f.Name(), path)
}

// lacks returns why a pod has no results; "" if it should have.
func (c *Collector) lacks(pod *core.Pod) string {
	if pod == nil {
		return "no pod"
	}
	for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if s.Name != c.Container {
			continue
		}
		switch now, last := s.State, s.LastTerminationState.Terminated; {
		case now.Terminated != nil && now.Terminated.ExitCode == 0:
			return ""
		case pod.Status.Reason != "": // why the container ended, or never began
		case now.Terminated != nil:
			return ended(now.Terminated)
		case now.Waiting != nil && last != nil:
			return ended(last) + ", " + now.Waiting.Reason
		case now.Waiting != nil:
			return text(now.Waiting.Reason, now.Waiting.Message)
		case now.Running != nil:
			return "it is still being measured"
		}
	}
	if pod.Status.Reason != "" { // Evicted, say
		return text(pod.Status.Reason, pod.Status.Message)
	}
	for _, cond := range pod.Status.Conditions {
		if cond.Status == core.ConditionFalse && cond.Type == core.PodScheduled {
			return text(cond.Reason, cond.Message)
		}
	}
	return "the pod is " + cmp.Or(string(pod.Status.Phase), "of an unknown phase")
}

func ended(t *core.ContainerStateTerminated) string {
	return text(fmt.Sprintf("measuring failed with status %d", t.ExitCode), cmp.Or(t.Message, t.Reason))
}

func text(reason, message string) string {
	if message == "" {
		return reason
	}
	return reason + ": " + message
}
