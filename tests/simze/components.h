/* What a card consists of, as sysman divides it. */
#ifndef SIMZE_COMPONENTS_H
#define SIMZE_COMPONENTS_H

#include "tests/simze/simze.h"

enum { FREQUENCY_GPU, FREQUENCY_MEMORY, FREQUENCIES };
enum { ENGINE_ALL, ENGINE_COMPUTE, ENGINE_COPY, ENGINES };
enum { SENSOR_GPU, SENSOR_MEMORY, SENSORS };
enum { RAS_CORRECTED, RAS_UNCORRECTED, RAS_SETS };
enum { FIRMWARE_GSC, FIRMWARE_OPROM, FIRMWARES };

unsigned components_ports(const struct control *control, unsigned card);
/* How many of the ports work. */
unsigned components_ports_up(const struct control *control, unsigned card);
/* The card and the port at the other end; false for a port that leads nowhere known. */
bool components_peer(const struct control *control, unsigned card, unsigned port, unsigned *peer, unsigned *peer_port);

#endif
