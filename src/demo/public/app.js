/** Connects, and hands the socket to each part of the page. */
import { startChat } from './chat.js';
import { startCompute } from './compute.js';
import { startCounter } from './counter.js';
import { startIdentity } from './identity.js';
import { startOutside } from './outside.js';
import { startPresence } from './presence.js';
import { startStatus } from './status.js';
import { startWhiteboard } from './whiteboard.js';

const path = document.querySelector('meta[name="socket-path"]').content;
// Socket.IO's server serves its own client.
const { io } = await import(new URL(`${path.replace(/\/$/, '')}/socket.io.esm.min.js`, location.href));

const identity = startIdentity();
// A function, so that a reconnect carries the name of that moment.
const socket = io({ path, auth: (give) => give(identity.current()), autoConnect: false });

startStatus(socket);
startPresence(socket);
startChat(socket);
startWhiteboard(socket);
startCompute(socket);
startCounter(socket);
startOutside(socket);
identity.onChange((person) => socket.connected && socket.emit('presence:rename', person));
socket.connect();
