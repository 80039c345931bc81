/**
 * A shared whiteboard. It is a state and not a series of messages: workers exchange strokes and tell their own clients, and who
 * comes back after a lost connection is given the whole drawing.
 */
import { BoundedLog, type LogEntry } from './bounded-log.ts';
import { COLORS, type Color, type Demo } from './demo.ts';
import { type Fields, numberOf, onEvent, oneOf } from './input.ts';
import { createReplica } from './replica.ts';

/** Coordinates are whole numbers from 0 to this, whatever the size of the canvas. */
const GRID = 4096;
const MAX_POINTS = 48;
const MAX_STROKES = 1500;
const MAX_WIDTH = 64;

/** A piece of a line. A long line arrives as many pieces, each starting where the one before ended. */
interface Stroke extends LogEntry {
	readonly color: Color;
	/** Of the line, in units of the grid. */
	readonly width: number;
	/** x, y, x, y, ... */
	readonly points: readonly number[];
}

export function startWhiteboard(demo: Demo): void {
	const { io, node } = demo;
	let count = 0;
	const drawing = new BoundedLog<Stroke>(MAX_STROKES, (strokes, cleared) => {
		io.local.emit('whiteboard:strokes', { strokes, cleared });
	});
	const replica = createReplica(demo, 'whiteboard', drawing);

	io.on('connection', (socket) => {
		onEvent(socket, 'whiteboard:load', { perSecond: 1, burst: 4 }, () => ({ strokes: drawing.entries(), grid: GRID }));

		onEvent(socket, 'whiteboard:draw', { perSecond: 40, burst: 80 }, (input) => {
			const shape = shapeOf(input);
			if (!shape) {
				return undefined;
			}
			const stroke: Stroke = { id: `${node}.${count++}`, at: drawing.tick(), ...shape };
			replica.share(drawing.add(stroke));
			socket.local.emit('whiteboard:strokes', { strokes: [stroke], cleared: false });
			return {};
		});

		onEvent(socket, 'whiteboard:clear', { perSecond: 0.5, burst: 3 }, () => {
			replica.share(drawing.clear());
			io.local.emit('whiteboard:strokes', { strokes: [], cleared: true });
			return {};
		});
	});
}

function shapeOf(input: Fields): Omit<Stroke, keyof LogEntry> | undefined {
	const color = oneOf(input.color, COLORS);
	const width = numberOf(input.width, 1, MAX_WIDTH);
	const points = pointsOf(input.points);
	return color && width && points ? { color, width, points } : undefined;
}

function pointsOf(value: unknown): number[] | undefined {
	if (!Array.isArray(value) || value.length < 2 || value.length > 2 * MAX_POINTS || value.length % 2 !== 0) {
		return undefined;
	}
	const points = value.map((coordinate: unknown) => numberOf(coordinate, 0, GRID));
	return points.every((coordinate) => coordinate !== undefined) ? points.map(Math.round) : undefined;
}
