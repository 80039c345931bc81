/** The computation: streams this participant's number and shows what the fleet makes of all of them. */
import { ask, element } from './page.js';

const STREAM_INTERVAL_MS = 200;
const SINE_PERIOD_MS = 8000;
const SPARK_POINTS = 120;

export function startCompute(socket) {
	const at = (id) => document.getElementById(id);
	const slider = at('value');
	const means = [];
	const phase = Math.random() * SINE_PERIOD_MS;

	const mode = () => document.querySelector('input[name="mode"]:checked').value;

	function stream() {
		const chosen = mode();
		if (chosen === 'sine') {
			slider.value = 50 + 45 * Math.sin((2 * Math.PI * (Date.now() + phase)) / SINE_PERIOD_MS);
		}
		at('value-shown').textContent = slider.value;
		if (chosen !== 'off' && socket.connected) {
			socket.volatile.emit('compute:sample', { value: Number(slider.value) });
		}
	}

	function show({ count, mean, min, max, samples, workers }) {
		const rounded = (value) => (value === null ? '–' : value.toFixed(1));
		at('count').textContent = count;
		at('mean').textContent = rounded(mean);
		at('min').textContent = rounded(min);
		at('max').textContent = rounded(max);
		const active = workers.filter((worker) => worker.count > 0);
		const plural = active.length === 1 ? 'worker' : 'workers';
		at('samples').textContent = active.length
			? `Reduced from ${active.length} ${plural}, ${samples.toLocaleString('en')} samples so far`
			: 'Choose slider or sine to take part';
		at('bars').replaceChildren(...workers.flatMap(showBars));
		if (mean !== null) {
			means.push(mean);
			means.splice(0, means.length - SPARK_POINTS);
		}
		drawSpark();
	}

	function showBars({ worker, bars }) {
		return bars.map(({ from, value }) => {
			const fill = element('span', { className: 'fill filled', color: from.color });
			fill.style.width = `${value}%`;
			const item = element('li', {}, [
				element('span', { className: 'who', text: from.name }),
				element('span', { className: 'track' }, [fill]),
				element('span', { className: 'number', text: Math.round(value) }),
			]);
			item.title = `worker ${worker}`;
			return item;
		});
	}

	function drawSpark() {
		const start = SPARK_POINTS - means.length;
		const line = means.map((mean, index) => `${start + index},${(31 - mean * 0.3).toFixed(1)}`).join(' ');
		at('spark-line').setAttribute('points', line);
		at('spark-area').setAttribute('points', means.length ? `${start},32 ${line} ${SPARK_POINTS - 1},32` : '');
	}

	slider.addEventListener('input', () => {
		if (mode() !== 'slider') {
			document.querySelector('input[name="mode"][value="slider"]').checked = true;
		}
		at('value-shown').textContent = slider.value;
	});
	socket.on('compute:result', show);
	socket.on('connect', async () => {
		const result = await ask(socket, 'compute:load');
		if (result.workers) {
			show(result);
		}
	});
	setInterval(stream, STREAM_INTERVAL_MS);
}
