/*
 * Which of the two formats a scraper gets, by its Accept header. Prometheus 2.42 sends
 *   application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,
 *   text/plain;version=0.0.4;q=0.5, and anything else with q=0.1
 * and is given OpenMetrics; a browser or curl is given the older text. Pure.
 */
#ifndef ITEXD_METRICS_NEGOTIATE_H
#define ITEXD_METRICS_NEGOTIATE_H

enum metrics_format { METRICS_PLAIN, METRICS_OPEN, METRICS_FORMATS };

/* accept NULL: no header. Whoever accepts neither gets plain text all the same: it can be read by anybody. */
enum metrics_format metrics_negotiate(const char *accept);
const char *metrics_content_type(enum metrics_format format);

#endif
