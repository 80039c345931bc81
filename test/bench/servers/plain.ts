/** Socket.IO in one process, as its documentation starts it. */
import { createServer } from 'node:http';
import { Server } from 'socket.io';
import setup from './app.ts';
import { announce, readSettings } from './settings.ts';

const { slot } = readSettings();
const http = createServer();
setup(new Server(http), { worker: slot });
http.listen(0, '127.0.0.1', () => announce(http));
