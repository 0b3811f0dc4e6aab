package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// output is a file that is written at the end of something long. It is opened at the begin, so that a path that cannot be written is noticed
// then; what the file held before stays until there is something new.
type output struct {
	file    *os.File // nil if nothing is wanted
	fresh   bool     // was not there before
	written bool
}

// openOutput opens a file, or takes standard output for "-". An empty path is an output that takes everything and writes nothing.
func openOutput(path string) (*output, error) {
	switch path {
	case "":
		return &output{}, nil
	case "-":
		return &output{file: os.Stdout}, nil
	}
	_, err := os.Stat(path)
	fresh := errors.Is(err, fs.ErrNotExist)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open for the report: %w", err)
	}
	return &output{file: file, fresh: fresh}, nil
}

// wanted tells whether anybody asked for it.
func (o *output) wanted() bool { return o.file != nil }

// write writes all there is to write.
func (o *output) write(text []byte) error {
	if o.file == nil {
		return nil
	}
	if o.file != os.Stdout {
		if info, err := o.file.Stat(); err == nil && info.Mode().IsRegular() {
			if err := o.file.Truncate(0); err != nil {
				return fmt.Errorf("write the report: %w", err)
			}
		}
	}
	if _, err := o.file.Write(text); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	o.written = true
	return nil
}

// close closes the file. One that was made for what did not come is removed.
func (o *output) close() error {
	if o.file == nil || o.file == os.Stdout {
		return nil
	}
	err := o.file.Close()
	if o.fresh && !o.written {
		err = errors.Join(err, os.Remove(o.file.Name()))
	}
	return err
}
