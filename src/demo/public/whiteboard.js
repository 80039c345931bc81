/** The whiteboard: draws at once, sends what was drawn every few frames, repaints when size or colours change. */
import { ask, element } from './page.js';

const COLORS = ['ink', 'red', 'orange', 'green', 'teal', 'blue', 'violet', 'pink'];
const WIDTHS = { thin: 12, medium: 24, thick: 48 };
const SEND_INTERVAL_MS = 40;
const MAX_POINTS = 48;

export function startWhiteboard(socket) {
	const canvas = document.getElementById('canvas');
	const context = canvas.getContext('2d');
	let grid = 4096;
	let strokes = [];
	/** The line under the pointer: what is not sent yet. */
	let pending;

	choices('colors', 'color', COLORS, 'ink', (color) => element('i', { className: 'filled', color }));
	choices('widths', 'width', Object.keys(WIDTHS), 'medium', () => element('i'));
	const chosen = (name) => document.querySelector(`input[name="${name}"]:checked`).value;

	function paint({ color, width, points }) {
		const scale = canvas.width / grid;
		const scaleY = canvas.height / grid;
		context.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue(`--${color}`);
		context.lineWidth = Math.max(1, width * scale);
		context.lineCap = 'round';
		context.lineJoin = 'round';
		context.beginPath();
		context.moveTo(points[0] * scale, points[1] * scaleY);
		// A single point becomes a dot.
		context.lineTo(points[0] * scale, points[1] * scaleY);
		for (let i = 2; i < points.length; i += 2) {
			context.lineTo(points[i] * scale, points[i + 1] * scaleY);
		}
		context.stroke();
	}

	function repaint() {
		const ratio = window.devicePixelRatio || 1;
		canvas.width = Math.round(canvas.clientWidth * ratio);
		canvas.height = Math.round(canvas.clientHeight * ratio);
		strokes.forEach(paint);
	}

	function add(more) {
		strokes.push(...more);
		more.forEach(paint);
	}

	function send() {
		if (pending && pending.points.length > pending.sent) {
			const { color, width, points } = pending;
			if (socket.connected) {
				socket.emit('whiteboard:draw', { color, width, points });
			}
			// The next piece starts where this one ended.
			pending = { color, width, points: points.slice(-2), sent: 2 };
		}
	}

	function extend(event) {
		const box = canvas.getBoundingClientRect();
		const to = (value, size) => Math.round(Math.min(1, Math.max(0, value / size)) * grid);
		const point = [to(event.clientX - box.left, box.width), to(event.clientY - box.top, box.height)];
		const { color, width, points } = pending;
		add([{ color, width, points: [...points.slice(-2), ...point] }]);
		points.push(...point);
		if (points.length >= 2 * MAX_POINTS) {
			send();
		}
	}

	canvas.addEventListener('pointerdown', (event) => {
		canvas.setPointerCapture(event.pointerId);
		pending = { color: chosen('color'), width: WIDTHS[chosen('width')], points: [], sent: 0 };
		extend(event);
	});
	canvas.addEventListener('pointermove', (event) => {
		if (pending) {
			for (const step of event.getCoalescedEvents?.() ?? [event]) {
				extend(step);
			}
		}
	});
	for (const end of ['pointerup', 'pointercancel']) {
		canvas.addEventListener(end, () => {
			send();
			pending = undefined;
		});
	}
	setInterval(send, SEND_INTERVAL_MS);

	socket.on('connect', async () => {
		const loaded = await ask(socket, 'whiteboard:load');
		if (loaded.strokes) {
			grid = loaded.grid;
			strokes = loaded.strokes;
			repaint();
		}
	});
	socket.on('whiteboard:strokes', ({ strokes: more, cleared }) => {
		if (cleared) {
			strokes = [];
			repaint();
		}
		add(more);
	});
	document.getElementById('clear').addEventListener('click', () => socket.emit('whiteboard:clear', {}));
	new ResizeObserver(repaint).observe(canvas);
	matchMedia('(prefers-color-scheme: dark)').addEventListener('change', repaint);
}

/** Radio buttons that look like swatches. */
function choices(id, name, values, first, draw) {
	const box = document.getElementById(id);
	for (const [index, value] of values.entries()) {
		const input = Object.assign(element('input'), { type: 'radio', name, value, checked: value === first });
		input.setAttribute('aria-label', value);
		const mark = draw(value);
		const size = name === 'width' ? 6 + 5 * index : 18;
		mark.style.width = `${size}px`;
		mark.style.height = `${size}px`;
		box.append(element('label', {}, [input, element('span', {}, [mark])]));
	}
}
