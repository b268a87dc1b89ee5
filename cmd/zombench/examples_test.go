package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"zombench/bench/daemon"
	"zombench/bench/experiments"
	"zombench/bench/labtest"
)

// An example is a command that some text shows, with what it prints if the text
// shows that as well.
type example struct {
	where   string // file:line, or the command whose help it stands in
	command string
	output  string
	shown   bool // the output is shown
}

// markdownExamples finds the commands in a text's fenced blocks: in console
// blocks those behind "$ ", each with its output up to the next; in sh blocks
// every line.
func markdownExamples(name, text string) []example {
	var all []example
	block := ""
	var command string // continued by a backslash
	for i, line := range strings.Split(text, "\n") {
		where := fmt.Sprintf("%s:%d", name, i+1)
		switch fence, isFence := strings.CutPrefix(line, "```"); {
		case isFence && block == "":
			block = strings.TrimSpace(fence) + " "
		case isFence:
			block = ""
		case block == "sh " || block == "console " && (strings.HasPrefix(line, "$ ") || command != ""):
			line = command + strings.TrimPrefix(line, "$ ")
			command = ""
			if rest, ok := strings.CutSuffix(line, `\`); ok {
				command = rest
				continue
			}
			if block == "sh " {
				line, _, _ = strings.Cut(line+" ", " # ")
			}
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				all = append(all, example{where: where, command: line, shown: block == "console "})
			}
		case block == "console " && len(all) > 0:
			all[len(all)-1].output += line + "\n"
		}
	}
	return all
}

// helpExamples are the examples of all commands.
func helpExamples(cmd *cobra.Command) []example {
	var all []example
	for line := range strings.Lines(cmd.Example) {
		line, _, _ = strings.Cut(strings.TrimSpace(line), "   ") // what it is for
		if line != "" {
			all = append(all, example{where: cmd.CommandPath() + " --help", command: line})
		}
	}
	for _, sub := range cmd.Commands() {
		all = append(all, helpExamples(sub)...)
	}
	return all
}

// notRun are the examples that are not run as they stand, and why.
var notRun = []struct{ prefix, why string }{
	{"make test", "this is it"},
	{"make lint", "it is a check of its own"},
	{"make vm", "it boots machines and downloads kernels"},
	{"make kernels", "it boots machines and downloads kernels"},
	{"make clean", "it removes what others may be running"},
	{"systemd-run", "it needs a user manager"},
	{"zombench kernels", "it boots machines and downloads kernels"},
	{"git bisect run", "it needs a tree of the kernel"},
	{"zombench limits --pid 4711", "who that is, nobody knows"},
	{"zombench limits --rate 26/5m --cgroup", "that cgroup need not be here"},
	{"zombench run inits", "its candidates need not be here"},
	{"zombench run --daemon", "that program is an example"},
}

// bounds make examples small that would measure for minutes: flags taken away,
// and others put in their place.
var bounds = []struct {
	command *regexp.Regexp
	without *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`zombench run reaping\b`), regexp.MustCompile(` --(count|samples|children|step|stand) \S+`),
		"$REAPING --count 20 --samples 1 --children 3 --step 10ms --stand 100ms"},
	{regexp.MustCompile(`zombench run spawning\b`), regexp.MustCompile(` --((count|sizes|samples) \S+|raise-limits)`), "--count 100 --sizes 100 --samples 1"},
	{regexp.MustCompile(`zombench run( -| memory|$)`), regexp.MustCompile(` --(count|parallel|samples) \S+`), "$ARMIES --samples 1"},
	{regexp.MustCompile(`zombench explain( --|$)`), regexp.MustCompile(` --(count|samples) \S+`), "--count 100,200 --samples 1"},
}

func bounded(command string) string {
	armies, reaping := "--count 50 --parallel 2", "--bench Reap/method=wait"
	if strings.Contains(command, "--bench ") {
		armies, reaping = "", "" // what matches was asked for
	}
	for _, b := range bounds {
		if !b.command.MatchString(command) {
			continue
		}
		if b.without != nil {
			command = b.without.ReplaceAllString(command, "")
		}
		return command + " " + strings.NewReplacer("$ARMIES", armies, "$REAPING", reaping).Replace(b.with)
	}
	return command
}

// mayFail are commands that say so by their exit status if a machine at work
// lets them measure no better.
var mayFail = regexp.MustCompile(`zombench explain\b`)

// live are the commands whose output depends on the machine and the moment.
var live = regexp.MustCompile(`^(sudo )?(make (bench|bench-quick|report)\b|zombied|zombench (run|doctor|list|limits|ps|explain)\b)`)

// A stage is a directory in which examples run as they would in the root of the
// source: with both programs in bin/ and result files.
type stage struct {
	t   *testing.T
	dir string
	env []string
}

func newStage(t *testing.T) *stage {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{t: t, dir: t.TempDir()}
	write := func(name, text string, mode os.FileMode) {
		path := filepath.Join(s.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"Makefile", "go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		write(name, string(text), 0o666)
	}
	for _, dir := range []string{"results/local", "results/recorded"} {
		if err := os.MkdirAll(filepath.Join(s.dir, dir), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	zombied := labtest.Zombied(t)
	// The program itself: what the test binary starts of itself is a test binary.
	zombench := filepath.Join(filepath.Dir(zombied), "zombench")
	if out, err := exec.Command("go", "build", "-o", zombench, "zombench/cmd/zombench").CombinedOutput(); err != nil {
		t.Fatalf("building zombench: %v\n%s", err, out)
	}
	// A lock of its own, and a daemon with a pid file here.
	write("bin/zombench", fmt.Sprintf(`#!/bin/sh
case "$*" in
explain*.txt*) exec %[3]q "$@" ;; # of files: nothing is measured
esac
case "$1" in
run|explain) word="$1"; shift; set -- "$word" --lock %[1]q "$@" ;;
esac
case "$1" in
run|explain|doctor) word="$1"; shift; set -- "$word" --zombied %[2]q "$@" ;;
esac
exec %[3]q "$@"
`, filepath.Join(s.dir, "lock"), zombied, zombench), 0o777)
	write("bin/zombied", fmt.Sprintf(`#!/bin/sh
case "$1" in
start|stop|status|reap) word="$1"; shift ;;
*) word=start ;;
esac
exec %q "$word" --pidfile %q "$@"
`, zombied, filepath.Join(s.dir, "zombied.pid")), 0o777)
	write("bin/sudo", "#!/bin/sh\nexec \"$@\"\n", 0o777)
	// make builds into bin/: there is something better already.
	write("bin/go", fmt.Sprintf("#!/bin/sh\n[ \"$1\" = build ] && exit\nexec %q \"$@\"\n", mustLookPath(t, "go")), 0o777)
	recorded, err := filepath.Glob(filepath.Join(root, "results/recorded/*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range recorded {
		if err := os.Symlink(path, filepath.Join(s.dir, "results/recorded", filepath.Base(path))); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"mine.txt", "new.txt", "old.txt", "both.txt", "spawns.txt", "results/local/mine.txt"} {
		kernel, bytes := "6.18.44", 9664
		if name == "old.txt" {
			kernel, bytes = "6.1.0", 9640
		}
		write(name, syntheticResults(kernel, bytes), 0o666)
	}
	s.env = append(os.Environ(),
		"PATH="+filepath.Join(s.dir, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"),
		"MAKEFLAGS=-s", "COLUMNS=80")
	return s
}

func mustLookPath(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("needs the %s command", name)
	}
	return path
}

// syntheticResults is a result file that nobody measured: for commands whose
// output is not shown.
func syntheticResults(kernel string, bytes int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "kernel: %s\ngoos: linux\ngoarch: amd64\nnode: node-1\n\nUnit kmem-B/1000zombies better=lower\nUnit ns/zombie better=lower\n", kernel)
	for i := range 6 {
		for _, count := range []int{500, 1000, 2000} {
			for _, parallel := range []int{1, 50} {
				fmt.Fprintf(&b, "BenchmarkZombies/count=%d/parallel=%d/spawn=exec %d %d kmem-B/1000zombies 1 pids/zombie %d ns/zombie\n",
					count, parallel, count, (bytes+i)*1000, 450000+i*1000)
			}
		}
	}
	return b.String()
}

// run runs an example and returns its standard output.
func (s *stage) run(e example) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute) // cleaning up runs some as well
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", bounded(e.command))
	cmd.Dir, cmd.Env = s.dir, append(slices.Clone(s.env), "BENCHFLAGS=--count 50 --parallel 2 --samples 1")
	if e.shown { // as many rows
		cmd.Env = append(cmd.Env, "BENCHFLAGS=--count 50,100,200 --samples 2")
	}
	// All of it ends together, and in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, stderr.String())
	}
	return stdout.String(), nil
}

// try runs an example and compares. What is live is compared by its shape, and
// may have another try: a machine at work has noise to report, which the text
// has not.
func (s *stage) try(e example) error {
	isLive := live.MatchString(strings.ReplaceAll(e.command, "bin/", ""))
	tries := 1
	if isLive && e.shown {
		tries = 3
	}
	var err error
	for range tries {
		var got string
		got, err = s.run(e)
		if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == 1 && mayFail.MatchString(e.command) {
			err = nil
		}
		if err != nil {
			return err
		}
		if !e.shown {
			return nil
		}
		if err = sameOutput(e.output, got, isLive); err == nil {
			return nil
		}
	}
	return err
}

var (
	numberShape = regexp.MustCompile(`[-+]?[0-9]+([.,:][0-9]+)*`)
	prefixShape = regexp.MustCompile(`# ?([KMG]i)?B\b`)
	timeShape   = regexp.MustCompile(`# ?[nµm]?s\b`)
	factShape   = regexp.MustCompile(`^ +[a-z ]+:`)
	flagShape   = regexp.MustCompile(`^ +(excluded|flagged, but counted):|^need >= 6 samples`)
	claimShape  = regexp.MustCompile(` holds? .*; ([0-9]+ signals)`)
	doubtShape  = regexp.MustCompile(`; [0-9]+ of [0-9]+ trials? (has|have) warnings`)
)

// shape is what stays the same of a line from run to run: armies as small as
// these may be lost in the noise, so a sentence need only begin and end as it
// did, facts need only begin so, and rows of numbers are rows.
func shape(line string) string {
	line = claimShape.ReplaceAllString(doubtShape.ReplaceAllString(line, ""), " hold ...; $1")
	line = numberShape.ReplaceAllString(line, "#")
	line = prefixShape.ReplaceAllString(timeShape.ReplaceAllString(line, "#s"), "#B")
	fact := factShape.FindString(line)
	line = strings.Join(strings.Fields(line), " ")
	switch {
	case fact != "":
		return fact
	case strings.Trim(line, "─") == "":
		return strings.Trim(line, "─") + "-"
	case strings.HasPrefix(line, "# ") && strings.Contains(line, "±"):
		return "a row"
	}
	return strings.TrimSuffix(line, " flags")
}

// sameOutput compares what a text shows with what is printed. A line of three
// dots stands for any lines.
func sameOutput(want, got string, isLive bool) error {
	split := func(text string, isGot bool) []string {
		var lines []string
		for line := range strings.SplitSeq(strings.TrimRight(text, "\n "), "\n") {
			line = strings.TrimRight(line, " ")
			if isLive && flagShape.MatchString(line) {
				continue
			}
			if isLive && line != "..." {
				line = shape(line)
			}
			lines = append(lines, line)
		}
		return lines
	}
	w, g := split(want, false), split(got, true)
	if matchLines(w, g) {
		return nil
	}
	return fmt.Errorf("shown and printed differ:\n%s", cmp.Diff(w, g))
}

func matchLines(want, got []string) bool {
	switch {
	case len(want) == 0:
		return len(got) == 0
	case want[0] == "...":
		for i := range len(got) + 1 {
			if matchLines(want[1:], got[i:]) {
				return true
			}
		}
		return false
	}
	return len(got) > 0 && want[0] == got[0] && matchLines(want[1:], got[1:])
}

var wordShape = regexp.MustCompile(`'([^']*)'|([^\s']+)`)

// parses tells whether an example that is not run is at least a command line.
func parses(command string) error {
	var words []string
	for _, m := range wordShape.FindAllStringSubmatch(command, -1) {
		words = append(words, m[1]+m[2])
	}
	i := slices.IndexFunc(words, func(w string) bool { return w == "zombench" || w == "bin/zombench" })
	if i < 0 {
		return nil
	}
	cmd, rest, err := newRoot(experiments.All).Find(words[i+1:])
	if err != nil {
		return err
	}
	if cmd == cmd.Root() {
		return errors.New("no command")
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	if args := cmd.Flags().Args(); cmd.HasSubCommands() && len(args) > 0 {
		return fmt.Errorf("%s has no command %s", cmd.CommandPath(), args[0])
	}
	return nil
}

func runExamples(t *testing.T, s *stage, examples []example) {
	for _, e := range examples {
		t.Run(e.where+" "+e.command, func(t *testing.T) {
			command := strings.ReplaceAll(e.command, "bin/", "")
			for _, n := range notRun {
				if strings.HasPrefix(command, n.prefix) {
					t.Logf("not run: %s", n.why)
					if err := parses(command); err != nil {
						t.Error(err)
					}
					return
				}
			}
			if live.MatchString(command) && (os.Geteuid() != 0 || !canMakeCgroups()) {
				t.Skip("needs root and cgroups")
			}
			if err := s.try(e); err != nil {
				t.Error(err)
			}
		})
	}
}

// Documentation that is not run rots. The examples share a stage, and run in
// order: later ones build on earlier ones.
func TestExamples(t *testing.T) {
	s := newStage(t)
	t.Cleanup(func() {
		if _, err := s.run(example{command: "zombied stop"}); err != nil {
			t.Error(err)
		}
		// Armies that a stopped daemon has left come to this process.
		if _, err := daemon.CollectOrphans(context.Background(), nil, func() bool { return false }); err != nil {
			t.Error(err)
		}
	})
	help := helpExamples(newRoot(experiments.All))
	if len(help) < 5 {
		t.Errorf("only %d examples in the help: they are not found", len(help))
	}
	runExamples(t, s, help)
	for _, name := range []string{"README.md", "CONTRIBUTING.md", "bench/README.md", "cmd/zombench/README.md", "results/README.md"} {
		text, err := os.ReadFile(filepath.Join("../..", name))
		if err != nil {
			t.Fatal(err)
		}
		runExamples(t, s, markdownExamples(name, string(text)))
	}
}

// The control: what is wrong is found.
func TestExamplesCanFail(t *testing.T) {
	s := newStage(t)
	const right = "```console\n$ zombench check old.txt new.txt\n" +
		"Nothing is significantly worse by more than 3 % (12 comparisons).\n\n" +
		"pids/zombie is not judged: its metadata does not say which direction is better\n```\n"
	for _, tt := range []struct {
		name, text string
		wrong      bool
	}{
		{"right", right, false},
		{"elided", strings.Replace(right, "pids/zombie is not judged: its metadata does not say which direction is better", "...", 1), false},
		{"a number", strings.Replace(right, "12", "13", 1), true},
		{"a line more", strings.Replace(right, "Nothing", "something\nNothing", 1), true},
		{"a line less", strings.Replace(right, "\npids/zombie is not judged: its metadata does not say which direction is better\n", "", 1), true},
		{"fails", "```console\n$ zombench check old.txt nowhere.txt\n```\n", true},
		{"fails in sh", "```sh\nzombench report nowhere.txt # a comment\n```\n", true},
		{"sh", "```sh\nbin/zombench report \\\n  mine.txt # a comment\n```\n", false},
	} {
		examples := markdownExamples("text", tt.text)
		if len(examples) != 1 {
			t.Fatalf("%s: %+v", tt.name, examples)
		}
		if err := s.try(examples[0]); (err != nil) != tt.wrong {
			t.Errorf("%s: %v", tt.name, err)
		}
	}

	const shown = "1000 zombies hold 9.8 MiB of kernel slab on Linux 6.18.44-x/amd64; 0 signals\n  charged: 9.2 MiB\n\n count  n   kmem-B\n────\n   500  6  9.2 MiB ± 0%\n"
	const other = "1000 zombies hold at least 9.31 MiB on Linux 6.1.0/amd64; 0 signals; 3 of 5 trials have warnings\n  excluded: 1 broken trial\n  charged: 9.1 MiB\n\n   count  n     kmem-B  flags\n──────\n   50  5  8.21 KiB ± 1%  1 broken\n"
	if err := sameOutput(shown, other, true); err != nil {
		t.Error(err)
	}
	for _, tt := range []struct{ old, new string }{
		{"hold", "eat"}, {"0 signals", "no signals"}, {"charged:", "charge:"}, {"kmem-B", "kmem"}, {"   50  5  8.21 KiB ± 1%  1 broken\n", ""}, {"\n\n", "\nmore\n\n"},
	} {
		if sameOutput(shown, strings.Replace(other, tt.old, tt.new, 1), true) == nil {
			t.Errorf("%q instead of %q is not noticed", tt.new, tt.old)
		}
	}
	if err := parses("zombench kernels lst"); err == nil {
		t.Error("no such command, and it parses")
	}
	if err := parses("zombench report --no-such-flag"); err == nil {
		t.Error("no such flag, and it parses")
	}
}
