// What a callback was told, in order and with the time, so that a step can ask how late it came.

package main

import (
	"fmt"
	"reflect"
	"sync"
	"time"
)

type entry[T any] struct {
	value T
	at    time.Time
}

// Told is filled by the client's goroutines and read by the steps.
type Told[T any] struct {
	mutex   sync.Mutex
	entries []entry[T]
}

func (t *Told[T]) add(value T) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.entries = append(t.entries, entry[T]{value, time.Now()})
}

func (t *Told[T]) count() int {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	return len(t.entries)
}

// expect waits until wanted was told as the after-th entry or later. It returns a note with the time between changed
// and that callback, and fails if that is more than limit.
func (t *Told[T]) expect(wanted T, after int, changed time.Time, limit time.Duration) string {
	patience := limit + 500*time.Millisecond // a late callback is better reported with its time
	var at time.Time
	waitFor(patience, lookAgain, func() (problem string) {
		at, problem = t.find(wanted, after)
		return problem
	})
	late := max(0, at.Sub(changed))
	expect(late <= limit, "expected the callback within %v, saw it after %v", limit, late)
	return fmt.Sprintf("told after %d ms", late.Milliseconds())
}

func (t *Told[T]) find(wanted T, after int) (time.Time, string) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	last := any("no callback")
	for _, e := range t.entries[min(after, len(t.entries)):] {
		if reflect.DeepEqual(e.value, wanted) {
			return e.at, ""
		}
		last = e.value
	}
	return time.Time{}, fmt.Sprintf("expected the callback to be told %v, saw %v", wanted, last)
}
