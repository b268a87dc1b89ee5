package report

import (
	"encoding/json"
	"strings"
)

// writeJSON writes the data of a document, or the document itself.
func writeJSON(b *strings.Builder, d Doc) error {
	enc := json.NewEncoder(b)
	enc.SetIndent("", "\t")
	if d.Data != nil {
		return enc.Encode(d.Data)
	}
	return enc.Encode(d)
}
