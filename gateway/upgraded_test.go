package gateway

import (
	"encoding/binary"
	"testing"
	"time"
)

// A session is remembered for a minute at least, however many come after it, within the limit; and not for ever.
func TestUpgradedMemory(t *testing.T) {
	key := func(i int) (k sessionKey) {
		binary.BigEndian.PutUint64(k[:], uint64(i))
		return k
	}
	var u upgraded
	for i := range 3 * maxUpgraded {
		u.add(key(i), 0)
		if !u.has(key(i)) || !u.has(key(max(0, i-maxUpgraded+1))) {
			t.Fatalf("%d is forgotten", i)
		}
	}
	if len(u.now)+len(u.before) > 2*maxUpgraded {
		t.Errorf("%d are remembered", len(u.now)+len(u.before))
	}
	u = upgraded{}
	u.add(key(0), 0)
	for minute := range 3 {
		u.add(key(1+minute), time.Duration(minute)*upgradedMemory+time.Second)
		if remembered := u.has(key(0)); remembered != (minute < 2) {
			t.Errorf("after %d minutes it is remembered: %t", minute, remembered)
		}
	}
}
