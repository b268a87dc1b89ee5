package debian

import (
	"archive/tar"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"zombench/bench/vm"
	"zombench/results"
)

// record is the file kernel.json beside an image: where it came from.
type record struct {
	vm.Kernel
	PackageSHA256 string `json:"package_sha256"`
}

const (
	imageFile  = "vmlinuz"
	recordFile = "kernel.json"
)

func kernelsDir(dir string) string { return filepath.Join(dir, "kernels") }

// Cached returns the kernels that were fetched into dir, by name. An image
// that is not what was fetched is an error.
func Cached(dir string) ([]vm.Kernel, error) {
	entries, err := os.ReadDir(kernelsDir(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("kernels fetched before: %w", err)
	}
	var all []vm.Kernel
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		k, err := load(filepath.Join(kernelsDir(dir), e.Name()))
		if err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	slices.SortFunc(all, func(a, b vm.Kernel) int {
		return cmp.Or(strings.Compare(a.GOARCH, b.GOARCH), results.CompareReleases(a.Release, b.Release))
	})
	return all, nil
}

// load reads one fetched kernel and proves its image.
func load(dir string) (vm.Kernel, error) {
	b, err := os.ReadFile(filepath.Join(dir, recordFile))
	if err != nil {
		return vm.Kernel{}, fmt.Errorf("a kernel fetched before: %w", err)
	}
	var r record
	if err := json.Unmarshal(b, &r); err != nil {
		return vm.Kernel{}, fmt.Errorf("%s: %w", filepath.Join(dir, recordFile), err)
	}
	r.Path = filepath.Join(dir, imageFile)
	sum, err := vm.Sum(r.Path)
	if err != nil {
		return vm.Kernel{}, fmt.Errorf("a kernel fetched before: %w", err)
	}
	if sum != r.SHA256 {
		return vm.Kernel{}, fmt.Errorf("%s has changed since it was fetched; remove %s and fetch it again", r.Path, dir)
	}
	return r.Kernel, nil
}

// Fetch brings the offered kernels into the cache, those that are not there,
// with one call of apt-get, and returns them in the order of offers. What cannot
// be had is in the error and does not keep the others away.
func (r *Repo) Fetch(ctx context.Context, offers []Offer) ([]vm.Kernel, error) {
	var pairs []pair
	var names []string
	fetched := make(map[string]vm.Kernel) // by name
	for _, o := range offers {
		k, err := load(filepath.Join(kernelsDir(r.dir), o.Name))
		if err == nil && k.Package == o.Package && k.Version == o.Version {
			fetched[o.Name] = k
			continue
		}
		names = append(names, fmt.Sprintf("%s:%s=%s", o.Package, o.Arch, o.Version))
		if p := (pair{o.Suites[0], o.Arch}); !slices.Contains(pairs, p) {
			pairs = append(pairs, p)
		}
	}
	tmp := ""
	var downloadErr error
	if len(names) > 0 {
		if err := os.MkdirAll(kernelsDir(r.dir), 0o755); err != nil {
			return nil, fmt.Errorf("the cache of kernels: %w", err)
		}
		var err error
		if tmp, err = os.MkdirTemp(r.dir, "fetch-"); err != nil {
			return nil, fmt.Errorf("the cache of kernels: %w", err)
		}
		defer os.RemoveAll(tmp)
		_, complaints, err := r.apt(ctx, tmp, pairs, append([]string{"apt-get", "-q", "download"}, names...)...)
		if ctx.Err() != nil {
			return nil, err
		}
		if err != nil {
			downloadErr = fmt.Errorf("apt-get download: %w: %s", err, strings.Join(complaints, "; "))
		}
	}
	var kernels []vm.Kernel
	var errs []error
	for _, o := range offers {
		k, ok := fetched[o.Name]
		if !ok {
			var err error
			k, err = r.keep(ctx, tmp, o)
			if errors.Is(err, fs.ErrNotExist) && downloadErr != nil {
				continue // it says why
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("unpacking %s: %w", o.Package, err))
				continue
			}
		}
		kernels = append(kernels, k)
	}
	return kernels, errors.Join(append(errs, downloadErr)...)
}

// keep takes the image out of a downloaded package and puts it into the cache.
func (r *Repo) keep(ctx context.Context, tmp string, o Offer) (vm.Kernel, error) {
	// apt writes an epoch's colon as %3a.
	deb := filepath.Join(tmp, fmt.Sprintf("%s_%s_%s.deb", o.Package, strings.ReplaceAll(o.Version, ":", "%3a"), o.Arch))
	// apt has checked this; here it is the link between the record and the file.
	sum, err := vm.Sum(deb)
	if err != nil {
		return vm.Kernel{}, err
	}
	if sum != o.PackageSHA256 {
		return vm.Kernel{}, fmt.Errorf("the package's SHA-256 is %s, the list says %s", sum, o.PackageSHA256)
	}
	dir := filepath.Join(tmp, o.Name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		return vm.Kernel{}, err
	}
	image := filepath.Join(dir, imageFile)
	if err := extract(ctx, deb, o.Release, image); err != nil {
		return vm.Kernel{}, err
	}
	found, err := vm.Inspect(image)
	if err != nil {
		return vm.Kernel{}, err
	}
	if found.GOARCH != o.GOARCH {
		return vm.Kernel{}, fmt.Errorf("the image is for %s, not %s", found.GOARCH, o.GOARCH)
	}
	k := o.Kernel
	k.SHA256 = found.SHA256
	b, err := json.MarshalIndent(record{k, o.PackageSHA256}, "", "\t")
	if err != nil {
		return vm.Kernel{}, err
	}
	if err := os.WriteFile(filepath.Join(dir, recordFile), append(b, '\n'), 0o644); err != nil {
		return vm.Kernel{}, err
	}
	final := filepath.Join(kernelsDir(r.dir), o.Name)
	if err := os.RemoveAll(final); err != nil {
		return vm.Kernel{}, err
	}
	if err := os.Rename(dir, final); err != nil {
		return vm.Kernel{}, err
	}
	return load(final)
}

// imagePaths are the places of the image in a package: /boot, and since 7.2
// the directory of the modules.
func imagePaths(release string) []string {
	return []string{
		"boot/vmlinuz-" + release, "boot/vmlinux-" + release,
		"usr/lib/modules/" + release + "/vmlinuz", "lib/modules/" + release + "/vmlinuz",
	}
}

// extract writes the kernel image out of a package to the file dest. Of the
// package's modules nothing reaches the disk.
func extract(ctx context.Context, deb, release, dest string) error {
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", deb)
	cmd.WaitDelay = 5 * time.Second // its children hold the pipes, too
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	found, err := findImage(out, release, dest)
	out.Close() // the rest of the package is of no interest: SIGPIPE
	waitErr := cmd.Wait()
	switch {
	case err != nil:
		return errors.Join(err, errors.New(strings.TrimSpace(complaint.String())))
	case found:
		return nil
	case waitErr != nil && complaint.Len() > 0:
		return errors.New(strings.TrimSpace(complaint.String()))
	default:
		return fmt.Errorf("no image in it; looked for %s", strings.Join(imagePaths(release), ", "))
	}
}

func findImage(r io.Reader, release, dest string) (bool, error) {
	paths := imagePaths(release)
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if h.Typeflag != tar.TypeReg || !slices.Contains(paths, strings.TrimPrefix(h.Name, "./")) {
			continue
		}
		f, err := os.OpenFile(dest, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return false, err
		}
		_, err = io.Copy(f, tr)
		return true, errors.Join(err, f.Close())
	}
}
