/* attack: small programs that try to get out; run inside by test_attacks.c. Exit status 0: the attack was denied. */
#include <stdio.h>
int main(int argc, char **argv)
{
	(void)argc;
	printf("%s\n", argv[0]);
	return 0;
}
