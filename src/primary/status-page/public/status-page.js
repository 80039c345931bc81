/**
 * Shows the fleet's status as this pod tells it. Of its own workers it tells totals, and rates are worked out here, between two states; of other
 * pods it tells what their last heartbeats said.
 */

/**
 * @typedef {{ sessionsOpened: number, eventsIn: number, eventsOut: number, published: number }} Counters
 * @typedef {{ slot: number, state: string, pid?: number, sessions?: number, rssBytes?: number, heapBytes?: number, uptimeSeconds?: number,
 *   failures: number, counters?: Counters, eventLoop?: { activeMs: number, idleMs: number } }} Worker
 * @typedef {{ connections: number, opened?: number, received?: number, sent?: number, published?: number }} Load
 * @typedef {{ pod: string, workers: number, load?: Load }} Peer
 * @typedef {{ fleet: string, pod: string, version: string, node: string, peers: Peer[], ready: boolean, draining: boolean, cordoned: boolean,
 *   reasons: string[], connections: number, workers: Worker[] }} Status
 */

const TOKEN = 'socketfleet-admin-token';
const RETRY_MS = 2000;
const HISTORY = 120;
/** Connections are closed over this time when the pod is taken out of service. */
const DRAIN_SPREAD_MS = 10_000;
/** Name in a load, name in a worker's counters. */
const RATES = [
	['opened', 'sessionsOpened'],
	['received', 'eventsIn'],
	['sent', 'eventsOut'],
	['published', 'published'],
];

/** @type {{ at: number, status: Status } | undefined} */
let last;
/** @type {Map<string, number[]>} */
const history = new Map();

const $ = (/** @type {string} */ id) => document.getElementById(id);

$('login').addEventListener('submit', (event) => {
	event.preventDefault();
	sessionStorage.setItem(TOKEN, $('token').value);
	$('login').hidden = true;
	void watch();
});
$('drain').addEventListener('click', () => void drainOrUndo());
void watch();

/** Until the pod wants a token that we do not have; a pod that is away is asked again. */
async function watch() {
	for (;;) {
		const end = await readStream().catch(() => 'away');
		if (end === 'unauthorized') {
			askForToken();
			return;
		}
		showState('no connection to the pod', 'bad');
		last = undefined;
		await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
	}
}

function askForToken() {
	$('refused').textContent = sessionStorage.getItem(TOKEN) === null ? '' : 'That is not the admin token of this pod.';
	sessionStorage.removeItem(TOKEN);
	$('login').hidden = false;
	$('token').value = '';
	$('token').focus();
	showState('needs a token', 'warn');
}

function authorization() {
	const token = sessionStorage.getItem(TOKEN);
	return token === null ? {} : { Authorization: `Bearer ${token}` };
}

/** The only thing that the page can change, and only for whoever has given the admin token. */
async function drainOrUndo() {
	const { cordoned, pod, connections } = last.status;
	if (cordoned) {
		await fetch('drain', { method: 'DELETE', headers: authorization() });
	} else if (confirm(`Close the ${count(connections)} connections of pod ${pod}? Its clients come back on other pods.`)) {
		await fetch(`drain?delayMs=0&spreadMs=${DRAIN_SPREAD_MS}`, { method: 'POST', headers: authorization() });
	}
}

/** An EventSource could not send the token. */
async function readStream() {
	const response = await fetch('status/stream', { headers: authorization() });
	if (response.status === 401) {
		return 'unauthorized';
	}
	if (!response.ok || !response.body) {
		throw new Error(`the pod answered ${response.status}`);
	}
	let rest = '';
	for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
		const events = (rest + text).split('\n\n');
		rest = events.pop() ?? '';
		for (const event of events) {
			show(JSON.parse(event.slice('data: '.length)));
		}
	}
	return 'ended';
}

/** @param {Status} status */
function show(status) {
	const before = last;
	last = { at: performance.now(), status };
	const seconds = before ? (last.at - before.at) / 1000 : 0;

	for (const name of ['fleet', 'pod', 'version', 'node']) {
		$(name).textContent = status[name];
	}
	showState(...stateOf(status));
	fill('reasons', status.reasons, (item, reason) => {
		item.textContent = reason;
	});
	$('drain').hidden = sessionStorage.getItem(TOKEN) === null;
	$('drain').textContent = status.cordoned ? 'Take this pod back into service' : 'Take this pod out of service';

	const previous = new Map(before?.status.workers.map((worker) => [worker.pid, worker]));
	const rates = status.workers.map((worker) => ratesOf(worker, previous.get(worker.pid), seconds));
	showFleet(status, rates);
	showWorkers(status.workers, rates);
}

/** This pod first, then the others; the tiles add them up. */
function showFleet(status, rates) {
	/** @type {Load} */
	const own = { connections: status.connections };
	for (const [id, counter] of RATES) {
		own[id] = sumOf(rates.map((rate) => rate?.[counter]));
	}
	const pods = [{ pod: status.pod, workers: status.workers.length, load: own }, ...status.peers];
	const connections = sumOf(pods.map(({ load }) => load?.connections));
	document.title = `${status.fleet}: ${count(connections)} connections`;
	draw('connections', connections, count(connections));
	for (const [id] of RATES) {
		// Until the second state this pod's own are not known.
		if (own[id] !== undefined) {
			const sum = sumOf(pods.map(({ load }) => load?.[id]));
			draw(id, sum, perSecond(sum));
		}
	}
	fill('pods', pods, (row, { pod, workers, load }, index) => {
		row.className = index === 0 ? 'own' : '';
		row.title = index === 0 ? 'this pod' : '';
		const shown = RATES.map(([id]) => (load?.[id] === undefined ? '–' : perSecond(load[id])));
		fillRow(row, [[pod], [workers], [load ? count(load.connections) : '–'], ...shown.map((text) => [text])]);
	});
}

/** Of those that are known; undefined when none is. */
function sumOf(values) {
	const known = values.filter((value) => value !== undefined);
	return known.length === 0 ? undefined : known.reduce((total, value) => total + value, 0);
}

/** @param {Status} status */
function stateOf({ ready, draining, cordoned, reasons }) {
	if (draining) {
		return ['draining', 'warn'];
	}
	if (cordoned) {
		return ['out of service', 'warn'];
	}
	if (!ready) {
		return ['not ready', 'bad'];
	}
	return reasons.length > 0 ? ['degraded', 'warn'] : ['ready', 'good'];
}

function showState(text, kind) {
	$('state').textContent = text;
	$('state').dataset.kind = kind;
}

/** Undefined for a worker that was not there a moment ago: its totals started anew. */
function ratesOf({ counters, eventLoop }, before, seconds) {
	if (!counters || !eventLoop || !before?.counters || !before.eventLoop || seconds === 0) {
		return undefined;
	}
	const active = eventLoop.activeMs - before.eventLoop.activeMs;
	const idle = eventLoop.idleMs - before.eventLoop.idleMs;
	const rates = { busy: active + idle > 0 ? active / (active + idle) : 0 };
	for (const [, counter] of RATES) {
		rates[counter] = (counters[counter] - before.counters[counter]) / seconds;
	}
	return rates;
}

const STATE_KINDS = { ready: 'good', failed: 'bad' };

function showWorkers(workers, rates) {
	const cells = workers.map((worker, index) => {
		const rate = rates[index];
		return [
			[worker.slot],
			[worker.state, STATE_KINDS[worker.state] ?? 'warn'],
			[worker.pid ?? '–'],
			[worker.sessions === undefined ? '–' : count(worker.sessions)],
			[rate ? perSecond(rate.eventsIn) : '–'],
			[rate ? perSecond(rate.eventsOut) : '–'],
			[rate ? `${Math.round(rate.busy * 100)} %` : '–', rate && rate.busy > 0.9 ? 'bad' : ''],
			[mebibytes(worker.heapBytes)],
			[mebibytes(worker.rssBytes)],
			[worker.uptimeSeconds === undefined ? '–' : duration(worker.uptimeSeconds)],
			[worker.failures, worker.failures > 0 ? 'warn' : ''],
		];
	});
	fill('workers', cells, fillRow);
}

/** Texts, each with the kind of news that it is. */
function fillRow(row, cells) {
	while (row.children.length < cells.length) {
		row.append(document.createElement('td'));
	}
	for (const [index, [text, kind = '']] of cells.entries()) {
		row.children[index].textContent = text;
		row.children[index].className = kind;
	}
}

/** One child for each item; those that are there are changed in place, so that a selection or a screen reader is not disturbed. */
function fill(id, items, update) {
	const list = $(id);
	const tag = list.tagName === 'TBODY' ? 'tr' : 'li';
	while (list.children.length > items.length) {
		list.lastChild.remove();
	}
	while (list.children.length < items.length) {
		list.append(document.createElement(tag));
	}
	for (const [index, item] of items.entries()) {
		update(list.children[index], item, index);
	}
}

/** The number, and the line of the last two minutes. */
function draw(id, value, text) {
	const values = [...(history.get(id) ?? []), value].slice(-HISTORY);
	history.set(id, values);
	$(id).textContent = text;
	const highest = Math.max(...values, 1);
	const points = values.map((each, index) => `${HISTORY - values.length + index},${(30 - (28 * each) / highest).toFixed(1)}`);
	$(`${id}-line`).setAttribute('points', points.join(' '));
}

function count(value) {
	return value.toLocaleString('en');
}

function perSecond(rate) {
	return `${rate >= 100 || Number.isInteger(rate) ? count(Math.round(rate)) : rate.toFixed(1)}/s`;
}

function mebibytes(bytes) {
	return bytes === undefined ? '–' : `${Math.round(bytes / 1_048_576)} MiB`;
}

function duration(seconds) {
	const units = [
		['d', 86_400],
		['h', 3600],
		['min', 60],
	];
	const [unit, length] = units.find(([, each]) => seconds >= each) ?? ['s', 1];
	return `${Math.floor(seconds / length)} ${unit}`;
}
