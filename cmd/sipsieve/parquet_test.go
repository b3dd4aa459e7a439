package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sipsieve/cmd/sipsieve/sheet"
	"sipsieve/store/policy"
)

// readParquet prints the columns of a file and their types, how many rows it has, and the first thousand of them.
const readParquet = `const { DuckDBInstance } = require('@duckdb/node-api');
(async () => {
  const c = await (await DuckDBInstance.create(':memory:')).connect();
  await c.run("SET TimeZone='UTC'");
  const rows = async (text) => (await c.runAndReadAll(text)).getRowObjectsJson();
  const file = "read_parquet('" + process.argv[2] + "')";
  const types = {};
  for (const r of await rows("DESCRIBE SELECT * FROM " + file)) types[r.column_name] = r.column_type;
  const count = Number((await rows("SELECT count(*) AS n FROM " + file))[0].n);
  console.log(JSON.stringify({ types, count, rows: await rows("SELECT * FROM " + file + " LIMIT 1000") }));
})();`

// A parquetFile is what DuckDB reads of a file.
type parquetFile struct {
	Types map[string]string
	Count int
	Rows  []map[string]any
}

// duckDB reads a file with DuckDB: its bindings for Node.js, which .ci/run installs in the cache folder of the user.
func duckDB(t *testing.T, file string) (read parquetFile) {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	modules := filepath.Join(cache, "sipsieve-ci", "node_modules")
	if _, err := os.Stat(filepath.Join(modules, "@duckdb", "node-api")); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	script := filepath.Join(t.TempDir(), "read.js")
	if err := os.WriteFile(script, []byte(readParquet), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", script, file)
	cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(out, &read)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	return read
}

// parquetOf writes bodies as a file of Parquet.
func parquetOf(t *testing.T, purposes []*policy.Purpose, bodies ...[]byte) (path string, notes []string) {
	t.Helper()
	text, notes := printed(t, sheet.Layout{Format: "parquet"}, purposes, bodies...)
	path = filepath.Join(t.TempDir(), "records.parquet")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, notes
}

// asDuckDB returns a value of an excerpt as DuckDB shows it in a column of a type: whole numbers as text, times with a
// space and the offset, of the fraction what is not zero at its end.
func asDuckDB(t *testing.T, raw json.RawMessage, typ string) any {
	t.Helper()
	var value any
	if len(raw) > 0 && json.Unmarshal(raw, &value) != nil {
		t.Fatalf("no JSON: %s", raw)
	}
	switch {
	case value == nil:
		return nil
	case typ == "BIGINT":
		return string(raw)
	case typ == "TIMESTAMP WITH TIME ZONE":
		at, err := time.Parse(time.RFC3339, value.(string))
		if err != nil {
			t.Fatal(err)
		}
		return at.Format("2006-01-02 15:04:05.999999") + "+00"
	}
	return value
}

// TestDuckDBReadsWhatWasPublished compares each value of each excerpt with what DuckDB reads of it, of three purposes,
// with a loss, a time to the microsecond, an empty list and more rows than a row group.
func TestDuckDBReadsWhatWasPublished(t *testing.T) {
	t.Parallel()
	for purpose, types := range map[string]map[string]string{
		"billing": {"setup_time": "TIMESTAMP WITH TIME ZONE", "duration_ms": "BIGINT", "billable": "BOOLEAN", "expires": "DATE",
			"call_flags": "VARCHAR[]", "missing": "VARCHAR[]", "called_number": "VARCHAR", "sip_code": "BIGINT", "from": "TIMESTAMP WITH TIME ZONE"},
		"network_ops": {"pdd_ms": "BIGINT", "ice_candidates": "BOOLEAN", "called_number": "VARCHAR", "media_codecs": "VARCHAR[]"},
		"fraud":       {"source_asn": "BIGINT", "caller_number": "VARCHAR", "device_flags": "VARCHAR[]"},
	} {
		bodies := append(replayedBodies(t, 20, purpose), []byte(lossBody), []byte(halfBody),
			[]byte(`{"kind":"call","setup_time":"2026-11-24T12:00:00.123456Z","missing":["invite","ack"],"revision":2147483648}`))
		for few := len(bodies); purpose == "billing" && len(bodies) < 11_000; { // a row group has 10,000
			bodies = append(bodies, bodies[len(bodies)%few])
		}
		path, notes := parquetOf(t, purposeOf(t, purpose), bodies...)
		read := duckDB(t, path)
		if read.Count != len(bodies) || len(notes) > 0 {
			t.Errorf("%s: %d rows, notes %q, want %d and none", purpose, read.Count, notes, len(bodies))
		}
		for name, typ := range types {
			if read.Types[name] != typ {
				t.Errorf("%s: type of %s = %s, want %s", purpose, name, read.Types[name], typ)
			}
		}
		for i, row := range read.Rows {
			values := sheet.ReadRow(bodies[i])
			for name, typ := range read.Types {
				got, want := row[name], asDuckDB(t, values[name], typ)
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%s: row %d: %s = %v, want %v", purpose, i, name, got, want)
				}
			}
			for name := range values {
				if _, known := row[name]; !known && !strings.HasPrefix(name, "blind_") {
					t.Errorf("%s: row %d has no %s", purpose, i, name)
				}
			}
		}
	}
}

// TestWhatIsNotOfItsColumnsTypeIsNullAndSaid has values as an older policy kept them.
func TestWhatIsNotOfItsColumnsTypeIsNullAndSaid(t *testing.T) {
	path, notes := parquetOf(t, purposeOf(t, "billing"),
		[]byte(`{"kind":"call","duration_ms":"some","setup_time":17,"call_flags":"none","billable":1,"expires":"soon","trunk_in":5}`))
	want := "1 values of billable are not|1 values of call_flags are not|1 values of duration_ms are not|" +
		"1 values of expires are not|1 values of setup_time are not"
	got := make([]string, len(notes))
	for i, note := range notes {
		got[i], _, _ = strings.Cut(note, " of the type")
	}
	if strings.Join(got, "|") != want {
		t.Errorf("notes = %q, want %s", got, want)
	}
	row := duckDB(t, path).Rows[0]
	for _, name := range []string{"duration_ms", "setup_time", "call_flags", "billable", "expires"} {
		if row[name] != nil {
			t.Errorf("%s = %v, want null", name, row[name])
		}
	}
	if row["trunk_in"] != "5" {
		t.Errorf("trunk_in = %v, want the number as text", row["trunk_in"])
	}
}

// TestParquetIsNotForATerminal asks for a file on a terminal, and for one on a pipe that is not plain text.
func TestParquetIsNotForATerminal(t *testing.T) {
	t.Parallel()
	configuration := answering(t, replayedBodies(t, 30, "billing"), 300)
	args := []string{"query", "--config", configuration, "--purpose", "billing", "--request", "t-1", "--format", "parquet"}
	tty, written := terminal(t)
	cmd := exec.Command(binary(t), args...)
	var stderr, stdout bytes.Buffer
	cmd.Stdout, cmd.Stderr = tty, &stderr
	if err := cmd.Run(); err == nil || !strings.Contains(stderr.String(), "parquet is not for a terminal") || written() != "" {
		t.Errorf("on a terminal: %v, %s, want a refusal", err, stderr.String())
	}
	cmd = exec.Command(binary(t), args...)
	cmd.Stdout = &stdout
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if text := stdout.Bytes(); !bytes.HasPrefix(text, []byte("PAR1")) || !bytes.HasSuffix(text, []byte("PAR1")) {
		t.Errorf("%d bytes that are no file of Parquet", len(text))
	}
}
