/** From outside: the line that sends to everybody without Socket.IO, and what arrives of it. */
import { ask, element } from './page.js';

const SHOWN = 5;

export function startOutside(socket) {
	const line = document.getElementById('curl');
	const button = document.getElementById('copy-curl');
	const news = document.getElementById('news');
	const note = document.getElementById('outside-note');

	socket.on('connect', async () => {
		const { apiPort, isOpen, event, error } = await ask(socket, 'outside:about');
		if (error) {
			return;
		}
		const body = JSON.stringify({ event, args: ['Hello from outside'] });
		line.textContent = `curl -H "Authorization: Bearer $TOKEN" -d '${body}' http://${location.hostname}:${apiPort}/emit`;
		note.textContent = isOpen
			? 'TOKEN is one of the tokens this fleet was started with.'
			: 'The API is off here. Start with SOCKETFLEET_API_TOKENS=<16 characters or more> npm start.';
		socket.off(event).on(event, show);
	});

	button.addEventListener('click', () => {
		// Without HTTPS there is no clipboard but on localhost: the line is selected, to be copied by hand.
		getSelection().selectAllChildren(line);
		navigator.clipboard?.writeText(line.textContent).then(
			() => say('Copied'),
			() => say('Selected'),
		);
	});

	function say(text) {
		button.textContent = text;
		setTimeout(() => {
			button.textContent = 'Copy';
		}, 1500);
	}

	function show(text) {
		const time = new Date().toLocaleTimeString('en', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
		news.prepend(element('li', {}, [element('time', { text: time }), element('span', { text: String(text).slice(0, 200) })]));
		while (news.children.length > SHOWN) {
			news.lastElementChild.remove();
		}
	}
}
