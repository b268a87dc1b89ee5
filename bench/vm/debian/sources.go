package debian

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// A source is what sources.list(5) calls an entry or a stanza.
type source struct {
	uris, suites, components []string
	signedBy                 string // as it stands there; may be a key of several lines
}

// codenames are the releases of Debian that may have kernels worth a look, and
// the names that stand for releases.
var codenames = []string{
	"buster", "bullseye", "bookworm", "trixie", "forky", "duke", "sid",
	"oldoldstable", "oldstable", "stable", "testing", "unstable",
}

// isDebian reports whether a source is a mirror of Debian's own archive: other
// archives for Debian name their suites otherwise, or come with other keys.
func (s source) isDebian() bool {
	if !slices.Contains(s.components, "main") {
		return false
	}
	if s.signedBy != "" && filepath.IsAbs(s.signedBy) && !strings.HasPrefix(filepath.Base(s.signedBy), "debian-") {
		return false
	}
	return slices.ContainsFunc(s.suites, func(suite string) bool {
		return slices.ContainsFunc(codenames, func(c string) bool {
			rest, ok := strings.CutPrefix(suite, c)
			return ok && (rest == "" || rest[0] == '-' || rest[0] == '/')
		})
	})
}

func (s source) isSecurity() bool { return slices.ContainsFunc(s.suites, isSecuritySuite) }

// isSecuritySuite: bullseye-security; buster/updates before it.
func isSecuritySuite(suite string) bool {
	return strings.HasSuffix(suite, "-security") || strings.HasSuffix(suite, "/updates")
}

// readSources reads the binary sources of sources.list and sources.list.d.
func readSources(etc string) ([]source, error) {
	files := []string{filepath.Join(etc, "sources.list")}
	for _, pattern := range []string{"*.list", "*.sources"} {
		more, err := filepath.Glob(filepath.Join(etc, "sources.list.d", pattern))
		if err != nil {
			return nil, fmt.Errorf("reading apt's sources: %w", err)
		}
		files = append(files, more...)
	}
	var all []source
	for _, name := range files {
		f, err := os.Open(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading apt's sources: %w", err)
		}
		parse := parseOneLine
		if filepath.Ext(name) == ".sources" {
			parse = parseDeb822
		}
		some, err := parse(f)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		all = append(all, some...)
	}
	return all, nil
}

// parseOneLine reads the format `deb [option=value ...] uri suite component...`.
func parseOneLine(r io.Reader) ([]source, error) {
	var all []source
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		line, _, _ := strings.Cut(sc.Text(), "#")
		var s source
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "deb")
		rest = strings.TrimSpace(rest)
		if !ok || strings.HasPrefix(rest, "-src") {
			continue
		}
		if strings.HasPrefix(rest, "[") {
			options, after, ok := strings.Cut(rest[1:], "]")
			if !ok {
				continue
			}
			for _, o := range strings.Fields(options) {
				if key, ok := strings.CutPrefix(o, "signed-by="); ok {
					s.signedBy = key
				}
			}
			rest = after
		}
		f := strings.Fields(rest)
		if len(f) < 3 {
			continue
		}
		s.uris, s.suites, s.components = f[:1], f[1:2], f[2:]
		all = append(all, s)
	}
	return all, sc.Err()
}

// parseDeb822 reads stanzas of `Field: value`, whose values may go on in lines
// that begin with a blank.
func parseDeb822(r io.Reader) ([]source, error) {
	var all []source
	stanza := make(map[string]string)
	end := func() {
		types, enabled := strings.Fields(stanza["types"]), stanza["enabled"]
		if slices.Contains(types, "deb") && enabled != "no" && enabled != "false" {
			all = append(all, source{
				uris:       strings.Fields(stanza["uris"]),
				suites:     strings.Fields(stanza["suites"]),
				components: strings.Fields(stanza["components"]),
				signedBy:   stanza["signed-by"],
			})
		}
		clear(stanza)
	}
	field := ""
	sc := bufio.NewScanner(r)
	for sc.Scan() {
		line := sc.Text()
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.TrimSpace(line) == "":
			end()
		case line[0] == ' ' || line[0] == '\t':
			stanza[field] += "\n" + line
		default:
			name, value, _ := strings.Cut(line, ":")
			field = strings.ToLower(strings.TrimSpace(name))
			stanza[field] = strings.TrimSpace(value)
		}
	}
	end()
	return all, sc.Err()
}
