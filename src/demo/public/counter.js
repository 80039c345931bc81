/** The counter: sends clicks, shows the sum that the fleet agrees on. */
import { ask } from './page.js';

export function startCounter(socket) {
	const output = document.getElementById('counter');

	function show({ value }) {
		if (typeof value === 'number') {
			output.textContent = value.toLocaleString('en');
		}
	}

	socket.on('counter:value', show);
	socket.on('connect', async () => show(await ask(socket, 'counter:load')));
	for (const button of document.querySelectorAll('[data-by]')) {
		button.addEventListener('click', () => socket.emit('counter:add', { by: Number(button.dataset.by) }));
	}
}
