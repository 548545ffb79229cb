/*
 * Capabilities of this process, as far as the service's children may be given any: masks of the bits below.
 */
#ifndef ITEXD_CHILDREN_CAPABILITIES_H
#define ITEXD_CHILDREN_CAPABILITIES_H

#define MAY_FOWNER 1u  /* change the access of others' files */
#define MAY_PTRACE 2u  /* look at others' processes */
#define MAY_PERFMON 4u /* read a GPU's counters */

/* Those that the process may use or take up. */
unsigned capabilities_held(void);
/* Of those held keeps exactly `keep`, permitted and effective; handed_on: a program that is executed gets them too,
 * and nothing else. No new privileges from now on. Where it may, it takes the others out of the bounding set as well.
 * 0; -errno where more would have been left. */
int capabilities_keep(unsigned keep, int handed_on);

#endif
