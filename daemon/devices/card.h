/*
 * A card as the worker describes it, made safe: the worker holds a driver, so each text may be anything. Pure.
 */
#ifndef ITEXD_DEVICES_CARD_H
#define ITEXD_DEVICES_CARD_H

#include "child.pb-c.h"

#include <stdbool.h>
#include <stddef.h>

#define PCI_TEXT_SIZE 24
#define UUID_TEXT_SIZE 37

/* Copies in which texts are printable and short, lists within the limits of leases, and what is no PCI address or UUID
 * is absent. Freed with child's free_unpacked. NULL without memory. */
Itexd__Child__Card *card_copy(const Itexd__Child__Card *card);
Itexd__Child__Inventory *inventory_copy(const Itexd__Child__Inventory *inventory);

/* "3a:00.0" and "0000:3A:00.0" become "0000:3a:00.0"; false: it is no PCI address. */
bool pci_normalise(const char *text, char out[PCI_TEXT_SIZE]);
/* Orders addresses as the driver does; NULL (none) comes last. */
int pci_compare(const char *a, const char *b);
/* Lower case, 8-4-4-4-12; false for anything else, and for all zeros, which some drivers give for "none". */
bool uuid_normalise(const char *text, char out[UUID_TEXT_SIZE]);
/* Every byte that is not printable ASCII becomes '?'; cut at size. */
void text_clean(char *text, size_t size);

#endif
