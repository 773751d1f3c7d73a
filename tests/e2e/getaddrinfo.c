/* Looks a name up as most programs do: getaddrinfo for both families. */
#include <netdb.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
	/* Without flags: AI_ADDRCONFIG would leave out a family that this
	 * machine has no address of.
	 */
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	int error;

	if (argc != 2)
		return 2;
	error = getaddrinfo(argv[1], NULL, &hints, &list);
	if (error) {
		puts(gai_strerror(error));
		return 1;
	}
	for (struct addrinfo *a = list; a; a = a->ai_next) {
		char host[64];

		if (!getnameinfo(a->ai_addr, a->ai_addrlen, host, sizeof(host), NULL, 0,
				 NI_NUMERICHOST))
			puts(host);
	}
	freeaddrinfo(list);
	return 0;
}
