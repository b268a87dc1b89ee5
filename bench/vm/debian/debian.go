// Package debian finds and fetches the kernels that the Debian sources of this
// machine offer, for any of Debian's suites and architectures, without
// installing them and without touching the system's own apt state.
//
// It leaves to apt and dpkg what is theirs: where the mirrors are and how they
// are reached (the system's sources and configuration), checking signatures
// and checksums, downloading. apt works on a state directory of our own.
//
// In flow patterns over kernels' names, out flow images with what is known of them. It
// is not for kernels that are files already, nor for booting any: that is package vm's.
package debian

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// ErrNoDebian says that this machine is no Debian, or has no usable sources.
var ErrNoDebian = errors.New("no Debian sources on this machine")

// A Repo fetches kernels into a directory of its own.
type Repo struct {
	dir     string // cache directory
	sources []source
	main    source // the archive's mirror
	secure  source // the security archive's mirror; no URIs if there is none
}

// Open reads the system's sources. dir is where apt's state and the kernels
// are kept.
func Open(dir string) (*Repo, error) { return open(dir, "/etc/apt") }

func open(dir, etc string) (*Repo, error) {
	if _, err := exec.LookPath("apt-get"); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoDebian, err)
	}
	all, err := readSources(etc)
	if err != nil {
		return nil, err
	}
	r := &Repo{dir: dir}
	for _, s := range all {
		switch {
		case !s.isDebian():
		case s.isSecurity():
			r.secure = s
			r.sources = append(r.sources, s)
		default:
			if r.main.uris == nil {
				r.main = s
			}
			r.sources = append(r.sources, s)
		}
	}
	if r.main.uris == nil {
		return nil, fmt.Errorf("%w: %s names no Debian archive", ErrNoDebian, etc)
	}
	return r, nil
}

// Suites returns the suites of the system's own sources.
func (r *Repo) Suites() []string {
	var suites []string
	for _, s := range r.sources {
		for _, suite := range s.suites {
			if !slices.Contains(suites, suite) {
				suites = append(suites, suite)
			}
		}
	}
	return suites
}

// A pair is one package index.
type pair struct{ suite, arch string }

// stanza returns the deb822 source of an index, from the mirror that holds it.
func (r *Repo) stanza(p pair) (string, error) {
	src := r.main
	if isSecuritySuite(p.suite) {
		src = r.secure
		if src.uris == nil {
			return "", fmt.Errorf("the system's sources name no mirror of the security archive, where %s lies", p.suite)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nArchitectures: %s\nTargets: Packages\n",
		strings.Join(src.uris, " "), p.suite, p.arch)
	// Old suites and slow mirrors have release files that are out of date;
	// their signatures hold all the same, and a kernel need not be fresh.
	b.WriteString("Check-Valid-Until: no\n")
	if src.signedBy != "" {
		fmt.Fprintf(&b, "Signed-By: %s\n", src.signedBy)
	}
	return b.String(), nil
}

// apt runs an apt program on the private state, with sources for pairs only,
// and returns its standard output and, for people, what it complained about.
func (r *Repo) apt(ctx context.Context, wd string, pairs []pair, args ...string) (stdout []byte, complaints []string, err error) {
	conf, err := r.configure(pairs)
	if err != nil {
		return nil, nil, err
	}
	// -c is read after the system's configuration and so has the last word.
	args = append([]string{args[0], "-c", conf}, args[1:]...)
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = wd
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err = cmd.Run()
	for line := range strings.Lines(errOut.String()) {
		if c := strings.TrimSpace(line); strings.HasPrefix(c, "E: ") || strings.HasPrefix(c, "W: ") {
			complaints = append(complaints, c[3:])
		}
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return out.Bytes(), complaints, err
}

// aptDir is the path of something in apt's private state.
func (r *Repo) aptDir(elem ...string) string {
	return filepath.Join(append([]string{r.dir, "apt"}, elem...)...)
}

// configure writes the private configuration of apt and returns its path.
func (r *Repo) configure(pairs []pair) (string, error) {
	root := r.aptDir()
	for _, d := range []string{"lists/partial", "archives/partial", "sources"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			return "", fmt.Errorf("apt's private state: %w", err)
		}
	}
	var sources strings.Builder
	var archs []string
	for _, p := range pairs {
		stanza, err := r.stanza(p)
		if err != nil {
			return "", err
		}
		sources.WriteString(stanza + "\n")
		if !slices.Contains(archs, p.arch) {
			archs = append(archs, p.arch)
		}
	}
	var conf strings.Builder
	set := func(name, value string) { fmt.Fprintf(&conf, "%s %q;\n", name, value) }
	set("Dir::State", root)
	set("Dir::State::lists", filepath.Join(root, "lists"))
	set("Dir::State::status", filepath.Join(root, "status"))
	set("Dir::State::extended_states", filepath.Join(root, "extended_states"))
	set("Dir::Cache", root)
	set("Dir::Cache::archives", filepath.Join(root, "archives"))
	set("Dir::Etc::sourcelist", "/dev/null")
	set("Dir::Etc::sourceparts", filepath.Join(root, "sources"))
	set("Dir::Etc::preferences", "/dev/null")
	set("Dir::Etc::preferencesparts", "/dev/null")
	// Hooks of the system are about the system's state.
	for _, hook := range []string{"APT::Update::Pre-Invoke", "APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success"} {
		fmt.Fprintf(&conf, "#clear %s;\n", hook)
	}
	fmt.Fprint(&conf, "#clear APT::Architectures;\n")
	for _, a := range archs {
		set("APT::Architectures::", a)
	}
	if len(archs) > 0 {
		set("APT::Architecture", archs[0])
	}
	set("APT::Get::List-Cleanup", "false") // other suites' lists stay
	set("Acquire::Languages", "none")
	set("Acquire::GzipIndexes", "true")
	set("Acquire::IndexTargets::deb::Packages::KeepCompressedAs", "xz")
	set("Acquire::Retries", "2")
	if os.Geteuid() == 0 {
		// The user _apt cannot reach a cache under root's home.
		set("APT::Sandbox::User", "root")
	}
	for name, content := range map[string]string{
		"apt.conf":               conf.String(),
		"sources/debian.sources": sources.String(),
		"status":                 "", // nothing is installed
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), 0o644); err != nil {
			return "", fmt.Errorf("apt's private configuration: %w", err)
		}
	}
	return filepath.Join(root, "apt.conf"), nil
}
