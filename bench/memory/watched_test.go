package memory

import (
	"bytes"
	"context"
	"io"
	"math"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"

	"zombench/bench/ctypes"
	"zombench/bench/labtest"
	"zombench/bench/looks"
	"zombench/measure"
	"zombench/results"
	"zombench/results/ledger"
	"zombench/results/stats"
)

// busy has top, ps and node_exporter look at the processes of this machine, and
// 200 processes a second come and go, until the test ends. It returns what the
// watchers are called.
func busy(t *testing.T) []string {
	t.Helper()
	exporter, err := exec.LookPath("prometheus-node-exporter")
	for _, program := range []string{"top", "ps", "perl"} {
		if _, perr := exec.LookPath(program); err == nil {
			err = perr
		}
	}
	if err != nil {
		t.Skip(err)
	}
	start := func(stop func(*exec.Cmd, io.Closer), name string, args ...string) {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Env = append(os.Environ(), "TERM=dumb")
		stdin, err := cmd.StdinPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { stop(cmd, stdin); _ = cmd.Wait() })
	}
	kill := func(cmd *exec.Cmd, _ io.Closer) { _ = cmd.Process.Kill() }
	// What has children is not killed, or they would come to this process.
	last := func(_ *exec.Cmd, stdin io.Closer) { stdin.Close() }
	const everyUntilStdinCloses = ` my $in = ''; vec($in, 0, 1) = 1; last if select($in, undef, undef, $ARGV[0]) }`
	start(kill, "top", "-b", "-d", "0.5")
	start(last, "perl", "-e", `open STDOUT, ">", "/dev/null"; while (1) { system "ps", "aux";`+everyUntilStdinCloses, "1")
	start(last, "perl", "-e", `while (1) { my $child = fork; exit 0 unless $child; waitpid $child, 0;`+everyUntilStdinCloses, "0.0045")
	const address = "127.0.0.1:19188"
	start(kill, exporter, "--collector.disable-defaults", "--collector.processes", "--web.listen-address="+address)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		for tick := time.Tick(time.Second); ; {
			request, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
			if response, err := http.DefaultClient.Do(request); err == nil {
				_, _ = io.Copy(io.Discard, response.Body)
				response.Body.Close()
			}
			select {
			case <-tick:
			case <-ctx.Done():
				return
			}
		}
	}()
	return []string{"prometheus-node", "ps", "top"}
}

// measured runs memory, and returns the records of its file and the names of those
// who looked.
func measured(t *testing.T, samples int, fields map[string]string) (records []results.Record, looked []string) {
	t.Helper()
	r, _ := labtest.Runner(t, labtest.Set(t, Experiment(), fields))
	var file bytes.Buffer
	r.Samples, r.Output, r.Kernel = samples, results.NewWriter(&file), ctypes.Kernel(measure.Host())
	if _, err := r.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	set, errs := results.Read(&file, "file")
	if errs != nil {
		t.Fatal(errs)
	}
	for _, record := range set.Records {
		for _, w := range record.Watchers {
			if !slices.Contains(looked, w.Command) {
				looked = append(looked, w.Command)
			}
		}
	}
	return set.Records, looked
}

// Beside three monitors and 200 forks a second a zombie holds what it holds, every
// byte of it is explained, and who looked is named. Without them nobody is.
func TestBesideWatchers(t *testing.T) {
	if err := looks.Available(measure.Host()); err != nil {
		t.Skip(err)
	}
	labtest.Options(t) // skips the test where nothing can be measured
	t.Run("quiet", func(t *testing.T) {
		if _, looked := measured(t, 2, map[string]string{"count": "1000", "parallel": "1", "spawn": "clone"}); slices.Contains(looked, "top") || slices.Contains(looked, "prometheus-node") {
			t.Errorf("%q looked, and do not run", looked)
		}
	})
	t.Run("busy", func(t *testing.T) {
		watchers := busy(t)
		records, looked := measured(t, 10, map[string]string{"count": "500,1000,2000", "parallel": "1", "spawn": "clone"})
		for _, name := range watchers {
			if !slices.Contains(looked, name) {
				t.Errorf("%s looked and is not named; %q are", name, looked)
			}
		}
		var charged, predictions []float64
		for _, r := range records {
			kmem, ok := r.Value(results.UnitKmem)
			predicted, _ := r.Value(results.UnitPredicted)
			if r.N == 1000 && ok && r.Broken == "" {
				charged, predictions = append(charged, kmem), append(predictions, predicted)
			}
		}
		if len(charged) < 8 {
			t.Fatalf("%d trials of 1000 are good", len(charged))
		}
		t.Logf("charged for 1000: %.0f B", charged)
		page := float64(os.Getpagesize())
		if spread := slices.Max(charged) - slices.Min(charged); spread > 2*page {
			t.Errorf("the charge of 1000 zombies spreads over %.0f B: %v", spread, charged)
		}
		predicted, held := stats.Median(predictions), stats.Median(charged).Center
		t.Logf("predicted for 1000: %.0f B, 95 %% interval %.0f to %.0f", predicted.Center, predicted.Lo, predicted.Hi)
		if off := predicted.Center/held - 1; math.Abs(off) > 0.005 {
			t.Errorf("the objects predict %.2f %% more than is charged: %v", 100*off, predictions)
		}
		if math.Max(predicted.Hi-predicted.Center, predicted.Center-predicted.Lo) > predicted.Center/100 {
			t.Errorf("the interval of what is predicted is wider than 1 %%: %v", predictions)
		}
		for _, g := range stats.Groups(stats.Setups(records)) {
			l, err := ledger.Of(g, nil)
			if err != nil {
				t.Fatal(err)
			}
			most := map[string]float64{ledger.StepCharge: 0.1, ledger.StepSUnreclaim + ledger.ZombiesPart: 1}
			for _, s := range l.Steps {
				if percent, ok := most[s.Name]; ok {
					t.Logf("%s: %.0f B, %+.2f %% unexplained", s.Name, s.Bytes, s.Percent())
					if s.BelowNoise() || math.Abs(s.Percent()) > percent {
						t.Errorf("%s: %+.2f %% unexplained, want %v at most", s.Name, s.Percent(), percent)
					}
				}
			}
			for _, w := range l.Watchers {
				t.Logf("%s: %d looks, every %v, %.0f %%", w.Name(), w.Looks, w.Every, 100*w.Share)
			}
		}
	})
}
