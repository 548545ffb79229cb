/* Packets of children, decoded with limits: a driver in the child may have written anywhere. */
#ifndef ITEXD_CHILDREN_CHILD_PACKET_H
#define ITEXD_CHILDREN_CHILD_PACKET_H

#include "daemon/children/child.h"

/* NULL: not a reply, or one that takes more than CHILD_DECODED_MAX. Free it with itexd__child__reply__free_unpacked and
 * no allocator. */
Itexd__Child__Reply *child_packet_decode(const uint8_t *packet, size_t size);

/* The text of a death, from its other members; why: it was asked for, or what was wrong with the child; may be NULL. */
void child_death_describe(struct child_death *death, const char *why);
/* The call the child is in, as far as it can be printed. */
void child_page_read(const struct child_page *page, struct child_death *death);

#endif
