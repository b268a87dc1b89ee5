package fleet

import (
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/template"
)

// A Job is what a fleet is to do.
type Job struct {
	Command string   // by which the recipe can be had again
	Kind    string   // Run, Watch or Kernels
	Args    []string // further arguments of zombench
	Image   string   // that holds the programs, for engines that run containers
	Shards  int      // of Kernels
	Room    int      // zombies that each node is to have room for, for engines that ask that for Watch
}

// The kinds of jobs.
const (
	Run     = "run"     // every node is measured once
	Watch   = "watch"   // every node is watched
	Kernels = "kernels" // other kernels are measured, each on some node
)

// Kinds are the kinds of jobs that there are recipes of, by engine.
var Kinds = map[string][]string{
	"kubernetes": {Run, Watch, Kernels},
	"slurm":      {Run, Watch, Kernels},
	"clush":      {Run},
	"ansible":    {Run},
}

// Engines are those for which there are recipes.
var Engines = []string{"kubernetes", "slurm", "clush", "ansible"}

//go:embed recipes
var recipes embed.FS

// Recipe returns what an engine takes to do a job.
func Recipe(engine string, j Job) (string, error) {
	kinds, ok := Kinds[engine]
	if !ok {
		return "", fmt.Errorf("%q is none of %s", engine, strings.Join(Engines, ", "))
	}
	if !slices.Contains(kinds, j.Kind) {
		return "", fmt.Errorf("there is no recipe of %q for %s; there is of %s", j.Kind, engine, strings.Join(kinds, ", "))
	}
	if j.Kind == Kernels && j.Shards < 1 {
		return "", fmt.Errorf("%d shards; want 1 or more", j.Shards)
	}
	t, err := template.New(engine).Funcs(template.FuncMap{"json": inJSON, "sh": quote, "line": line}).ParseFS(recipes, "recipes/"+engine)
	if err != nil {
		return "", err
	}
	j.Args = arguments(engine, j)
	var b strings.Builder
	err = t.ExecuteTemplate(&b, engine, j)
	return strings.TrimRight(b.String(), "\n") + "\n", err
}

// Name is what the pods of a job are called.
func (j Job) Name() string {
	if j.Kind == Run {
		return "zombench"
	}
	return "zombench-" + j.Kind
}

// arguments are those of zombench, and of some engines the program before them.
func arguments(engine string, j Job) []string {
	var args []string
	index := map[string]string{"kubernetes": "$(JOB_COMPLETION_INDEX)", "slurm": "$SLURM_ARRAY_TASK_ID"}[engine]
	switch {
	case j.Kind == Watch:
		args = []string{"watch", "--listen", "0.0.0.0:9817"}
	case j.Kind == Kernels && engine == "kubernetes":
		args = []string{"kernels", "run", "-o", "/results", "--resume", "--shard", fmt.Sprintf("%s/%d", index, j.Shards)}
	case j.Kind == Kernels:
		args = []string{"zombench", "kernels", "run", "-o", "kernels", "--resume", "--shard", fmt.Sprintf("%s/%d", index, j.Shards)}
	case engine == "kubernetes":
		args = []string{"run", "--quiet"}
	case engine == "ansible":
		args = []string{"/run/zombench-fleet/zombench", "run", "--quiet", "--node", "{{ inventory_hostname }}", "-o", "/run/zombench-fleet/results.txt"}
	default:
		args = []string{"zombench", "run", "--quiet"}
	}
	return append(args, j.Args...)
}

// inJSON is a value as YAML takes it too.
func inJSON(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

// quote makes one word of a text for a shell.
func quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=.,:/@%") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// line is a command line. $SLURM_ARRAY_TASK_ID stays a variable.
func line(args []string) string {
	const task = "$SLURM_ARRAY_TASK_ID"
	var words []string
	for _, a := range args {
		if rest, ok := strings.CutPrefix(a, task); ok {
			words = append(words, `"`+task+`"`+quote(rest))
			continue
		}
		words = append(words, quote(a))
	}
	return strings.Join(words, " ")
}
