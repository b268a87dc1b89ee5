# A workload that is hard on an init: it leaves orphans of every kind behind and
# then waits for signals.
#   $1  how many orphans die in a burst
#   3   read by one living child; its end is the end of the workload
#   4   written: what was done, a word a line
#   5   read by the orphans; its end is their death
#   6   read once: the order to fork
trap 'echo HUP >&4' HUP
trap 'echo INT >&4' INT
trap 'echo USR1 >&4' USR1
trap 'echo USR2 >&4' USR2
trap 'echo TERM >&4; last; exit 42' TERM

# Children that die while everything shuts down.
last() {
	i=0
	while [ $i -lt 20 ]; do
		(true &)
		i=$((i + 1))
	done
}

# An init may signal the whole process group.
(
	trap '' HUP INT USR1 USR2 TERM
	read -r x <&3
) &
life=$!
echo ready >&4
read -r x <&6

# Double forks: orphans that are dead, or about to be, when they become some.
i=0
while [ $i -lt 50 ]; do
	(true &)
	i=$((i + 1))
done
# Grandchildren: orphans that die and leave orphans in turn.
i=0
while [ $i -lt 20 ]; do
	( ( (read -r x <&5) &) &)
	i=$((i + 1))
done
# A burst.
(
	i=0
	while [ $i -lt "$1" ]; do
		(read -r x <&5) &
		i=$((i + 1))
	done
)
echo forked >&4
while kill -0 $life 2>/dev/null; do
	wait $life
done
exit 43
