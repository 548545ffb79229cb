/* itexd itself, as its clients meet it. */
#include "client/itexctl/doctor/doctor.h"

const struct doctor_layer doctor_service_layers[] = {{.name = NULL}};
