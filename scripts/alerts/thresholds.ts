/** The numbers that an alert and a panel share. */

/** Of attempts to connect, and of messages to publish, this share may fail over a month. */
export const ERROR_BUDGET = 0.001;
/**
 * Burn rates at which 2 % of a month's budget are gone in one hour and 5 % in six:
 * https://sre.google/workbook/alerting-on-slos/
 */
export const FAST_BURN = 14.4;
export const SLOW_BURN = 6;
/** Share of returning clients that are refused for a reason of ours. */
export const REFUSED_RECOVERIES = 0.2;
/** Requests that go to another pod for each session opened: none with working affinity, two and more without. */
export const FORWARDS_PER_SESSION = 0.5;
/** Requests with an unknown session for each session opened. */
export const UNKNOWN_PER_SESSION = 0.05;
/** Sessions opened in a minute for each open connection: the average client comes back within a minute. */
export const REOPENED_PER_MINUTE = 1;
/** Share of the clients that are cut off for not reading, in a quarter of an hour. */
export const SLOW_CONSUMERS = 0.01;
export const EVENT_LOOP_UTILIZATION = 0.9;
export const STREAM_LAG_SECONDS = 5;
export const RESTARTS = 3;
