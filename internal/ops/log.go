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
	least, err := zapcore.ParseLevel(level)
	if err != nil {
		return nil, fmt.Errorf("log level: %w", err)
	}
	core := zapcore.NewCore(encoder(terminal(os.Stderr)), zapcore.Lock(os.Stderr), least)
	return zap.New(zapcore.NewSamplerWithOptions(core, time.Second, sampleFirst, sampleEvery)), nil
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
