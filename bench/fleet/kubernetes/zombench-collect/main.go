// Zombench-collect writes what zombench has measured on the nodes of a Kubernetes
// cluster into a directory, a file for each node, and names the nodes that are missing.
package main

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"unicode"

	client "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"zombench/bench/fleet/kubernetes"
)

func main() {
	c := kubernetes.Collector{Container: "measure", AtOnce: 16}
	flag.StringVar(&c.Dir, "o", "fleet", "`directory` for the files; a node that has one is left out")
	flag.StringVar(&c.Namespace, "n", "zombench", "`namespace` of the pods")
	flag.StringVar(&c.Selector, "l", "app=zombench", "`labels` of the pods")
	contextName := flag.String("context", "", "`context` of the kubeconfig file ($KUBECONFIG)")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "Usage: zombench-collect [flags]\n\nWrites the results of zombench fleet kubernetes, a file a node, and names the nodes\nthat have none. It can be run again: what it has is not fetched again.\n\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := collect(&c, *contextName); err != nil {
		fmt.Fprintf(os.Stderr, "zombench-collect: %v\n", err)
		os.Exit(1)
	}
}

// printable is what a pod says of itself, which may be anything, on one line of a
// terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
}

func collect(c *kubernetes.Collector, contextName string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
		clientcmd.NewDefaultClientConfigLoadingRules(), &clientcmd.ConfigOverrides{CurrentContext: contextName}).ClientConfig()
	if err != nil {
		return err
	}
	config.QPS, config.Burst = 500, 500 // the server has its own idea of fairness
	if c.Client, err = client.NewForConfig(config); err != nil {
		return err
	}
	t, err := c.Collect(ctx)
	missing := make(map[string][]string) // nodes by reason
	for _, m := range t.Missing {
		why := printable(m.Why)
		missing[why] = append(missing[why], m.Node)
	}
	for _, why := range slices.Sorted(maps.Keys(missing)) {
		fmt.Fprintf(os.Stderr, "%s: %s\n", why, strings.Join(missing[why], " "))
	}
	fmt.Printf("%d nodes: %d collected, %d were there, %d missing\n", t.Collected+t.Before+len(t.Missing), t.Collected, t.Before, len(t.Missing))
	if err == nil && len(t.Missing) > 0 {
		err = fmt.Errorf("%d nodes are missing", len(t.Missing))
	}
	return err
}
