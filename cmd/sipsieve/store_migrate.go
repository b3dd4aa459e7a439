package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"sipsieve/cmd/sipsieve/config"
	"sipsieve/cmd/sipsieve/daemon"
	"sipsieve/store"
	"sipsieve/store/policy"
	"sipsieve/store/postgres"
	"sipsieve/store/sqlite"
)

// migrateBatch is how many rows are put at once.
const migrateBatch = 2000

func storeMigrateCommand() *cobra.Command {
	var file, dir string
	cmd := &cobra.Command{
		Use:   "migrate --config FILE [--path DIR]",
		Short: "copy the records of a SQLite store into the PostgreSQL database of the configuration",
		Long: `Migrate copies every record that has not expired from the files of a SQLite store into the database that [store] of the
configuration names, with what each record was made of. The files stay as they are. It prints for each purpose and day
of expiry how many records the files and the database have, and checks that the database has every record of the files.
It may be repeated, also after it was interrupted: nothing is there twice. So it can be run while a daemon still stores
into the files, and once more when that has stopped.

The database may have more records than the files, if other hosts store there, and fewer, if it joins what two hosts saw
of one call.

Exit codes: 0 if the database has all; 1 if it has not, if a file cannot be read, or the database cannot be reached; 2
for a configuration or a folder that is refused.`,
		Example: `  sipsieve store migrate --config /etc/sipsieve/sipsieve.toml
  sipsieve store migrate --config postgres.toml --path /var/lib/sipsieve/store`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return migrateStore(cmd.Context(), file, dir, cmd.OutOrStdout())
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().StringVar(&dir, "path", "", "`folder` of the SQLite store (default STATE/store)")
	return cmd
}

// migrateStore copies the files under dir into the database of the configuration at file.
func migrateStore(ctx context.Context, file, dir string, out io.Writer) (err error) {
	c, err := config.LoadForReader(file)
	if err != nil {
		return refused(err)
	}
	s, err := config.Resolve(c)
	if err != nil {
		return refused(err)
	}
	if s.Store == nil || s.Store.Type != "postgres" {
		return refused(s.Wrong("store.type", "want postgres: the database that the records are copied to"))
	}
	if dir == "" {
		dir = filepath.Join(s.State, "store")
	}
	if st, err := os.Stat(dir); err != nil || !st.IsDir() {
		return refused(fmt.Errorf("%s: no folder of a store: want --path", dir))
	}
	files, err := sqlite.Read(dir)
	if err != nil {
		return refused(err)
	}
	db, err := daemon.OpenDatabase(s, nil) // a part of a row may have expired before the row
	if err != nil {
		return refused(err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if release, err := store.Own(dir); errors.Is(err, store.ErrOwned) {
		fmt.Fprintln(out, "a daemon stores into these files: once it has stopped, run this again")
	} else if err == nil {
		defer func() { _ = release() }()
	}
	places, err := files.Places()
	if err != nil {
		return exit{exitFindings, err}
	}
	m := migration{files: files, db: db, today: policy.DateOf(time.Now()), out: out}
	return m.all(ctx, places)
}

// A migration copies partitions from files into a database.
type migration struct {
	files *sqlite.Reader
	db    *postgres.Store
	today policy.Date
	out   io.Writer
}

// all copies the partitions of places that have not expired. One that cannot be copied keeps none of the others.
func (m *migration) all(ctx context.Context, places []store.Place) error {
	var errs []error
	total := 0
	for _, p := range places {
		if p.Expires.Compare(m.today) <= 0 {
			fmt.Fprintf(m.out, "%s %s: expired, left out\n", p.Purpose, p.Expires)
			continue
		}
		n, missing, err := m.copy(ctx, p)
		total += n
		switch {
		case errors.Is(err, store.ErrUnavailable) && ctx.Err() != nil:
			return exit{exitFindings, err}
		case err != nil:
			err = fmt.Errorf("%s %s: %w", p.Purpose, p.Expires, err)
		case missing > 0:
			err = fmt.Errorf("%s %s: the database lacks %d records of the files", p.Purpose, p.Expires, missing)
		default:
			var there int
			if there, err = m.db.Rows(ctx, p); err == nil {
				fmt.Fprintf(m.out, "%s %s: files %d, database %d\n", p.Purpose, p.Expires, n, there)
			}
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return exit{exitFindings, err}
	}
	fmt.Fprintf(m.out, "the database has all %d records of the files\n", total)
	return nil
}

// copy puts the rows of a partition into the database, and returns how many there are and how many of them it lacks.
func (m *migration) copy(ctx context.Context, p store.Place) (rows, missing int, err error) {
	var batch []policy.Excerpt
	put := func() error {
		if err := m.db.Put(ctx, batch); err != nil {
			return err
		}
		lacking, err := m.db.Missing(ctx, p, batch)
		missing += len(lacking)
		batch = batch[:0]
		return err
	}
	for xs, err := range m.files.Publications(ctx, p) {
		if err != nil {
			return rows, missing, err
		}
		rows++
		if batch = append(batch, xs...); len(batch) >= migrateBatch {
			if err := put(); err != nil {
				return rows, missing, err
			}
		}
	}
	if len(batch) > 0 {
		err = put()
	}
	return rows, missing, err
}
