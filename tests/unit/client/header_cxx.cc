// The public header in C++, alone, without a warning.
#include "client/itexclient.h"

int main()
{
    itex_request *request = itex_request_new();
    itex_status status = itex_request_set_fact(request, "keras", "3");
    itex_request_free(request);
    return status == ITEX_OK ? 0 : 1;
}
