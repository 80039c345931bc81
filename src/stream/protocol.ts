/**
 * Socket.IO's numbers on the wire, written once: neither this layer nor emitting from outside loads Socket.IO to ask for them.
 * Names are those of socket.io-adapter's `MessageType`; the test compares them with the package.
 */

/** `EVENT` of socket.io-parser's `PacketType`; an event with binary data gets its own type when it is encoded for a client. */
export const EVENT_PACKET = 2;

/** To clients: a packet, and whom it is for. */
export const BROADCAST = 3;
/** To the sockets that are selected: into more rooms, out of rooms, or disconnected. */
export const SOCKETS_JOIN = 4;
export const SOCKETS_LEAVE = 5;
export const DISCONNECT_SOCKETS = 6;

/** Questions to the servers of a namespace, each with the answer to it. Without a `requestId`, `SERVER_SIDE_EMIT` wants none. */
export const FETCH_SOCKETS = 7;
export const FETCH_SOCKETS_RESPONSE = 8;
export const SERVER_SIDE_EMIT = 9;
export const SERVER_SIDE_EMIT_RESPONSE = 10;

/** Answers to a `BROADCAST` with a `requestId`: how many clients of a server were sent it, and what each of them acknowledged. */
export const BROADCAST_CLIENT_COUNT = 11;
export const BROADCAST_ACK = 12;

/** A server tells that it no longer has the namespace. */
export const ADAPTER_CLOSE = 13;
