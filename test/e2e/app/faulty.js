// The application of the alerts' test: it makes the faults that it is asked for.
import { defineApp } from 'socketfleet';

const FLOOD_BYTES = 262_144;
const FLOOD_EVERY_MS = 100;
const BLOCK_MS = 100;

let saturated = false;
let hangsOnClose = false;

/** Blocks the event loop without using the CPU, and lets it go only as long as the loop needs for one turn. */
function saturate() {
	if (saturated) {
		Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BLOCK_MS);
		setImmediate(saturate);
	}
}

const FAULTS = {
	crash() {
		setImmediate(() => {
			throw new Error('asked to crash');
		});
	},
	saturate() {
		saturated = true;
		setImmediate(saturate);
	},
	relax() {
		saturated = false;
	},
	hang() {
		hangsOnClose = true;
	},
};

export default defineApp({
	setup(io, { pod, worker }) {
		io.on('connection', (socket) => {
			socket.emit('hello', { pod, worker });
			socket.on('where', (done) => done({ pod, worker }));
			// Through the stream, to nobody.
			socket.on('publish', (count, done) => {
				for (let message = 0; message < count; message++) {
					io.to('nobody').emit('message', message);
				}
				done();
			});
			// Until the client is gone: only one that reads can bear it.
			socket.on('flood', () => {
				const timer = setInterval(() => socket.emit('flood', 'x'.repeat(FLOOD_BYTES)), FLOOD_EVERY_MS);
				socket.once('disconnect', () => clearInterval(timer));
			});
		});
	},
	http(req, res) {
		const fault = new URL(req.url ?? '/', 'http://app').searchParams.get('fault');
		if (fault !== null) {
			FAULTS[fault]();
		}
		res.end('ok\n');
	},
	close: () => (hangsOnClose ? new Promise(() => undefined) : undefined),
});
