package ops

import (
	"testing"

	"go.uber.org/zap/zapcore"
)

func TestNewLogLevels(t *testing.T) {
	log, err := NewLog("warn")
	if err != nil {
		t.Fatal(err)
	}
	if log.Core().Enabled(zapcore.InfoLevel) || !log.Core().Enabled(zapcore.WarnLevel) {
		t.Error("level warn must let warnings through and nothing below")
	}
	if _, err := NewLog("loud"); err == nil {
		t.Error("an unknown level was accepted")
	}
}
