/* The public header in C99, alone. */
#include "client/itexclient.h"

int main(void)
{
    return itex_version()[0] == '1' ? 0 : 1;
}
