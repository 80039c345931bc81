/** Shows the pod's status as it comes. Totals come from the workers; rates are worked out here, between two states. */

/**
 * @typedef {{ sessionsOpened: number, eventsIn: number, eventsOut: number, published: number }} Counters
 * @typedef {{ slot: number, state: string, pid?: number, sessions?: number, rssBytes?: number, heapBytes?: number, uptimeSeconds?: number,
 *   failures: number, counters?: Counters, eventLoop?: { activeMs: number, idleMs: number } }} Worker
 * @typedef {{ fleet: string, pod: string, version: string, node: string, pods: string[], ready: boolean, draining: boolean,
 *   reasons: string[], connections: number, workers: Worker[] }} Status
 */

const TOKEN = 'socketfleet-admin-token';
const RETRY_MS = 2000;
const HISTORY = 120;
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

/** An EventSource could not send the token. */
async function readStream() {
	const token = sessionStorage.getItem(TOKEN);
	const response = await fetch('status/stream', { headers: token === null ? {} : { Authorization: `Bearer ${token}` } });
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

	document.title = `${status.pod} of ${status.fleet}: ${count(status.connections)} connections`;
	for (const name of ['fleet', 'pod', 'version', 'node']) {
		$(name).textContent = status[name];
	}
	showState(...stateOf(status));
	fill('reasons', status.reasons, (item, reason) => {
		item.textContent = reason;
	});
	fill('pods', status.pods, (item, pod) => {
		item.textContent = pod;
		item.className = pod === status.pod ? 'own' : '';
		item.title = pod === status.pod ? 'this pod' : '';
	});
	draw('connections', status.connections, count(status.connections));

	const previous = new Map(before?.status.workers.map((worker) => [worker.pid, worker]));
	const rates = status.workers.map((worker) => ratesOf(worker, previous.get(worker.pid), seconds));
	for (const [id, counter] of RATES) {
		const known = rates.map((rate) => rate?.[counter]).filter((rate) => rate !== undefined);
		if (known.length > 0) {
			const sum = known.reduce((total, rate) => total + rate, 0);
			draw(id, sum, perSecond(sum));
		}
	}
	showWorkers(status.workers, rates);
}

/** @param {Status} status */
function stateOf({ ready, draining, reasons }) {
	if (draining) {
		return ['draining', 'warn'];
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
	fill('workers', cells, (row, texts) => {
		while (row.children.length < texts.length) {
			row.append(document.createElement('td'));
		}
		for (const [index, [text, kind = '']] of texts.entries()) {
			row.children[index].textContent = text;
			row.children[index].className = kind;
		}
	});
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
		update(list.children[index], item);
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
