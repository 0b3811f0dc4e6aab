package ops

import (
	"fmt"
	"os"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// Of one message, so many lines a second are logged, and then one in so many: whoever can make a program log must not
// be able to fill its disk.
const (
	sampleFirst = 50
	sampleEvery = 1000
)

// NewLog returns a log to standard error, at a level (debug, info, warn or error) and
// above: lines for people on a terminal, JSON otherwise. It may be used from any goroutine.
func NewLog(level string) (*zap.Logger, error) {
	least, err := ParseLevel(level)
	if err != nil {
		return nil, err
	}
	return NewLogAt(least), nil
}

// NewLogAt is NewLog with a level that can change.
func NewLogAt(level zap.AtomicLevel) *zap.Logger {
	core := zapcore.NewCore(encoder(terminal(os.Stderr)), zapcore.Lock(os.Stderr), level)
	return zap.New(zapcore.NewSamplerWithOptions(core, time.Second, sampleFirst, sampleEvery))
}

// ParseLevel makes a level of its name.
func ParseLevel(level string) (zap.AtomicLevel, error) {
	least, err := zapcore.ParseLevel(level)
	if err != nil {
		return zap.AtomicLevel{}, fmt.Errorf("log level: %w", err)
	}
	return zap.NewAtomicLevelAt(least), nil
}

func encoder(people bool) zapcore.Encoder {
	if people {
		c := zap.NewDevelopmentEncoderConfig()
		c.EncodeTime = zapcore.TimeEncoderOfLayout("15:04:05.000")
		c.EncodeLevel = zapcore.CapitalColorLevelEncoder
		return zapcore.NewConsoleEncoder(c)
	}
	c := zap.NewProductionEncoderConfig()
	c.TimeKey = "time"
	c.EncodeTime = zapcore.RFC3339NanoTimeEncoder
	c.EncodeDuration = zapcore.StringDurationEncoder
	return zapcore.NewJSONEncoder(c)
}

func terminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
