/* Preloaded into clients that send the kernel's version along: a capture shall not tell which machine it was made on. */
#include <string.h>
#include <sys/utsname.h>

int uname(struct utsname *name)
{
    memset(name, 0, sizeof *name);
    strcpy(name->sysname, "Linux");
    strcpy(name->nodename, "client");
    strcpy(name->release, "6.1.0");
    strcpy(name->machine, "x86_64");
    return 0;
}
