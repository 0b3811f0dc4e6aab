package worker

import "time"

// CountEvery sets the time between two questions about one socket after a loss of NATS, before the worker starts.
func (a *App) CountEvery(d time.Duration) { a.run.census.every = d }
