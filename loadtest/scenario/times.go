package scenario

import (
	"fmt"
	"time"
)

// checkTimes refuses times that no clock has, and names the flag.
func (o *Options) checkTimes(name string) error {
	for _, t := range []struct {
		flag string
		is   time.Duration
	}{
		{"--warm-up", o.Timing.WarmUp}, {"--patience", o.Timing.Patience}, {"--away", o.Trouble.Away}, {"--every", o.Trouble.Every},
	} {
		if t.is < 0 {
			return fmt.Errorf("%w: %s must not be negative, and is %v", ErrOptions, t.flag, t.is)
		}
	}
	switch {
	case o.Timing.ConnectTimeout <= 0:
		return fmt.Errorf("%w: --connect-timeout must be positive, and is %v", ErrOptions, o.Timing.ConnectTimeout)
	case name == "jitter" && o.Trouble.Every == 0:
		return fmt.Errorf("%w: --every must be positive for jitter", ErrOptions)
	case !(o.Timing.ConnectRate >= 0): // nor is it a number otherwise
		return fmt.Errorf("%w: --connect-rate must not be negative, and is %v", ErrOptions, o.Timing.ConnectRate)
	}
	return nil
}
