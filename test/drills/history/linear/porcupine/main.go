// Checks recorded operations on registers and sets for linearizability, with porcupine.
// Reads the lines of ../object-log.ts, writes one verdict a line for each object.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/anishathalye/porcupine"
)

type seen struct {
	Value  *string  `json:"value"`
	Values []string `json:"values"`
	Yes    *bool    `json:"yes"`
}

type operation struct {
	Op       string  `json:"op"`
	Object   string  `json:"object"`
	Type     string  `json:"type"`
	Action   string  `json:"action"`
	Value    string  `json:"value"`
	Expected *string `json:"expected"`
	Saw      *seen   `json:"saw"`
	Call     int64   `json:"call"`
	Return   *int64  `json:"return"`
}

type verdict struct {
	Object string  `json:"object"`
	Result string  `json:"result"`
	Op     string  `json:"op"`
	At     float64 `json:"at"`
	Text   string  `json:"text"`
}

// A register that was never written holds nothing, which is not the empty value.
type register struct {
	written bool
	value   string
}

func (r register) is(value *string) bool {
	if value == nil {
		return !r.written
	}
	return r.written && r.value == *value
}

func stepRegister(state, input, _ any) (bool, any) {
	now, o := state.(register), input.(operation)
	switch o.Action {
	case "read":
		return now.is(o.Saw.Value), now
	case "write":
		return true, register{true, o.Value}
	case "cas":
		held := now.is(o.Expected)
		if o.Saw != nil && o.Saw.Yes != nil && *o.Saw.Yes != held {
			return false, now
		}
		if held {
			return true, register{true, o.Value}
		}
		return true, now
	}
	panic("unknown action " + o.Action)
}

// A set is its sorted elements, joined, so that states can be compared and hashed.
const separator = "\x00"

func elements(state string) []string {
	if state == "" {
		return nil
	}
	return strings.Split(state, separator)
}

func stepSet(state, input, _ any) (bool, any) {
	now, o := state.(string), input.(operation)
	all := elements(now)
	at, in := slices.BinarySearch(all, o.Value)
	switch o.Action {
	case "contains":
		return o.Saw.Yes != nil && *o.Saw.Yes == in, now
	case "list":
		saw := slices.Clone(o.Saw.Values)
		slices.Sort(saw)
		return slices.Equal(slices.Compact(saw), all), now
	case "add":
		if !in {
			all = slices.Insert(slices.Clone(all), at, o.Value)
		}
		return true, strings.Join(all, separator)
	case "remove":
		if in {
			all = slices.Delete(slices.Clone(all), at, at+1)
		}
		return true, strings.Join(all, separator)
	}
	panic("unknown action " + o.Action)
}

var models = map[string]porcupine.Model{
	"register": {Init: func() any { return register{} }, Step: stepRegister},
	"set":      {Init: func() any { return "" }, Step: stepSet},
}

func check(object string, operations []operation, timeout time.Duration) verdict {
	calls := make([]porcupine.Operation, len(operations))
	for n, o := range operations {
		end := int64(math.MaxInt64)
		if o.Return != nil {
			end = *o.Return
		}
		calls[n] = porcupine.Operation{ClientId: n, Input: o, Call: o.Call, Return: end}
	}
	result, info := porcupine.CheckOperationsVerbose(models[operations[0].Type], calls, timeout)
	judged := verdict{Object: object, Result: string(result), At: float64(operations[0].Call) / 1e6}
	if result == porcupine.Illegal {
		blame(&judged, operations, info)
	}
	return judged
}

// Names the operation at which every order fails: of the completed ones that the longest order leaves out, the
// first to complete.
func blame(judged *verdict, operations []operation, info porcupine.LinearizationInfo) {
	var longest []porcupine.Operation
	for _, partition := range info.PartialLinearizationsOperations() {
		for _, order := range partition {
			if len(order) > len(longest) {
				longest = order
			}
		}
	}
	placed := map[string]bool{}
	for _, one := range longest {
		placed[one.Input.(operation).Op] = true
	}
	var first *operation
	for n := range operations {
		o := &operations[n]
		if o.Return != nil && !placed[o.Op] && (first == nil || *o.Return < *first.Return) {
			first = o
		}
	}
	if first == nil {
		judged.Text = "no order explains it"
		return
	}
	saw, _ := json.Marshal(first.Saw)
	judged.Op = first.Op
	judged.At = float64(*first.Return) / 1e6
	judged.Text = fmt.Sprintf("%s %q saw %s; no order of %d operations explains it, at most %d can be placed",
		first.Action, first.Value, saw, len(operations), len(longest))
}

func main() {
	timeout := flag.Duration("timeout", time.Minute, "for each object")
	flag.Parse()
	file, err := os.Open(flag.Arg(0))
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	// A set that is never listed is as many independent sets as it has elements.
	listed := map[string]bool{}
	objects := map[string][]operation{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		var o operation
		if err := json.Unmarshal(lines.Bytes(), &o); err != nil {
			log.Fatal(err)
		}
		if models[o.Type].Step == nil {
			log.Fatalf("%s: no model of a %s", o.Op, o.Type)
		}
		if o.Action == "list" {
			listed[o.Object] = true
		}
		objects[o.Object] = append(objects[o.Object], o)
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
	names := make([]string, 0, len(objects))
	for name := range objects {
		names = append(names, name)
	}
	slices.Sort(names)
	out := json.NewEncoder(os.Stdout)
	write := func(judged verdict) {
		if err := out.Encode(judged); err != nil {
			log.Fatal(err)
		}
	}
	for _, name := range names {
		if operations := objects[name]; operations[0].Type == "register" || listed[name] {
			write(check(name, operations, *timeout))
			continue
		}
		parts := map[string][]operation{}
		for _, o := range objects[name] {
			parts[o.Value] = append(parts[o.Value], o)
		}
		for element, operations := range parts {
			write(check(fmt.Sprintf("%s, element %q", name, element), operations, *timeout))
		}
	}
}
