/* The layers of the job's Python, from the SYCL runtime up to Keras. */
#include "client/itexctl/doctor/doctor.h"

const struct doctor_layer doctor_python_layers[] = {{.name = NULL}};

void doctor_python_clear(struct doctor *doctor)
{
    (void)doctor;
}
