package reaping

import (
	"strconv"

	"zombench/bench"
	"zombench/bench/reaping/parent"
	"zombench/results"
)

// UnitSteps is the unit of WaitOrder: time spent dead and not collected, summed
// over the children, in steps.
const UnitSteps = "zombie-steps"

// orderSetups are the orders in which the textbook's parent waits.
func orderSetups(p plan) []bench.Setup {
	var setups []bench.Setup
	for _, m := range []method{
		{parent.Fixed, "the parent waits for its children in the order of their start, and they die in the reverse", false, waitsInOrder(parent.Fixed)},
		{parent.AnyDead, "the parent waits for whichever child is dead", false, waitsInOrder(parent.AnyDead)},
	} {
		setups = append(setups, m.setup(p, WaitOrder, "order", p.children,
			results.Param{Key: "children", Value: strconv.Itoa(p.children)}, results.Param{Key: "step", Value: slashless(p.step.String())}))
	}
	return setups
}

func waitsInOrder(order string) func(*trial, plan) {
	return func(t *trial, p plan) {
		pt := t.start(parent.Options{})
		t.Doing("waiting in order: " + order)
		r := t.order(pt, parent.Order{Do: parent.Textbook, How: order, Count: p.children, StepNs: p.step.Nanoseconds()})
		t.Put(UnitSteps, r.Steps)
	}
}
