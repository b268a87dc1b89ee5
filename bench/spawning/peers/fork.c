/* The same army by fork(3), as any C program would raise it. */
#define _GNU_SOURCE
#include "army.h"

static pid_t spawn(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid;
}

int main(int argc, char **argv)
{
	return army(argc, argv, spawn);
}
