// Runs named steps one after another and prints one line for each. Knows nothing of Nacos.

package main

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"sync/atomic"
	"time"
)

const (
	// Nothing here takes long; a program that is still running then hangs.
	overall   = 4 * time.Minute
	lookAgain = 10 * time.Millisecond
	// The clients themselves allow five equal questions a second.
	askAgain = 200 * time.Millisecond
	// One line of output stays readable, also when the value is a mebibyte.
	shownMax = 600
)

// How old an answer of the server may be. Zero means that every answer includes every finished call.
var stale time.Duration

// What a step ends with when it does not pass. The step's function panics with one of them.
type (
	mismatch string
	skipped  string
)

// Steps counts and prints. One goroutine runs the steps; only the overall deadline comes from another.
type Steps struct {
	client                  string
	current                 atomic.Value
	passed, failed, skipped int
}

func newSteps(client string) *Steps {
	steps := &Steps{client: client}
	time.AfterFunc(overall, func() {
		fmt.Printf("FAIL %s %s: expected the program to end within %v, saw it still in this step\n",
			client, steps.current.Load(), overall)
		steps.failed++
		os.Exit(steps.finish())
	})
	return steps
}

// step runs one step. What it returns is printed after the time.
func (s *Steps) step(name string, run func() string) {
	s.current.Store(name)
	began := time.Now()
	defer func() {
		switch end := recover().(type) {
		case nil:
		case skipped:
			s.skipped++
			fmt.Printf("skip %s %s: %s\n", s.client, name, string(end))
		default:
			s.failed++
			fmt.Printf("FAIL %s %s: %s\n", s.client, name, strings.ReplaceAll(fmt.Sprint(end), "\n", " "))
		}
	}()
	note := run()
	s.passed++
	took := fmt.Sprintf("ok   %s %s (%d ms) %s", s.client, name, time.Since(began).Milliseconds(), note)
	fmt.Println(strings.TrimRight(took, " "))
}

// finish prints the last line and returns the exit code.
func (s *Steps) finish() int {
	fmt.Printf("%d passed, %d failed, %d skipped\n", s.passed, s.failed, s.skipped)
	if s.failed > 0 {
		return 1
	}
	return 0
}

func must(what string, err error) {
	expect(err == nil, "%s: expected no error, saw %v", what, err)
}

func expect(holds bool, otherwise string, args ...any) {
	if !holds {
		panic(mismatch(fmt.Sprintf(otherwise, args...)))
	}
}

func expectEqual(what string, expected, seen any) {
	expect(reflect.DeepEqual(expected, seen), "%s: expected %v, saw %v", what, expected, seen)
}

// waitFor waits until problem returns ""; when the time is up, it fails with what it said last.
func waitFor(limit, again time.Duration, problem func() string) {
	end := time.Now().Add(limit)
	for last := problem(); last != ""; last = problem() {
		if limit > 0 {
			last += fmt.Sprintf(", for %v", limit)
		}
		expect(time.Now().Before(end), "%s", last)
		time.Sleep(again)
	}
}

// eventually asks again and again, whatever goes wrong meanwhile, until the answer is the expected one.
func eventually[T any](limit time.Duration, what string, expected T, ask func() (T, error)) {
	waitFor(limit, askAgain, func() string {
		seen, err := ask()
		switch {
		case err != nil:
			return fmt.Sprintf("%s: expected %s, saw %v", what, shorten(expected), err)
		case !reflect.DeepEqual(expected, seen):
			return fmt.Sprintf("%s: expected %s, saw %s", what, shorten(expected), shorten(seen))
		}
		return ""
	})
}

// expectAnswer is what the server answers now, or as soon as its answers may be expected to be fresh.
func expectAnswer[T any](what string, expected T, ask func() (T, error)) {
	eventually(stale, what, expected, ask)
}

func shorten(value any) string {
	text := fmt.Sprint(value)
	if len(text) <= shownMax {
		return text
	}
	return fmt.Sprintf("%.*s… (%d bytes)", shownMax, text, len(text))
}
