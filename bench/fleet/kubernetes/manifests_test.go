package kubernetes

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	strict "sigs.k8s.io/yaml"
)

// What zombench fleet kubernetes prints has no field that the API does not have.
func TestManifests(t *testing.T) {
	paths, err := filepath.Glob("../testdata/kubernetes-*.golden")
	if err != nil || len(paths) != 3 {
		t.Fatalf("%q, %v", paths, err)
	}
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for docs := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data))); ; n++ {
			doc, err := docs.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if err := decode(doc); err != nil {
				t.Errorf("%s: %v", path, err)
			}
			if err := decode(append(doc, "\nsepc: {}\n"...)); err == nil {
				t.Errorf("%s: a field that does not exist is taken", path)
			}
		}
		if n != 2 {
			t.Errorf("%s: %d documents", path, n)
		}
	}
}

func decode(doc []byte) error {
	var kind meta.TypeMeta
	if err := strict.Unmarshal(doc, &kind); err != nil {
		return err
	}
	into, ok := map[string]any{"Namespace": &core.Namespace{}, "DaemonSet": &apps.DaemonSet{}, "Job": &batch.Job{}}[kind.Kind]
	if !ok {
		return errors.New("a kind that is not expected: " + kind.Kind)
	}
	return strict.UnmarshalStrict(doc, into)
}
